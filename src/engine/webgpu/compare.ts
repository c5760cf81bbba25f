import type { Size } from '../../frame/frame.js';
import { type Comparison, THUMBNAIL } from '../engine.js';
import type { GpuScope } from './device.js';
import type { ReadBack } from './read-back.js';
import type { StageTimer } from './timer.js';

/**
 * Compares two packed pictures `[3, height, width]` cell by cell: bytes of words, 1 where any of a cell's values differs,
 * cells counted row by row. Behind them, as floats, the thumbnail of the first picture.
 */
const WGSL = /* wgsl */ `
struct Params { size: vec2u, cell: u32, cells: u32, thumbnail: vec2u }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@group(0) @binding(3) var<uniform> p: Params;

fn differs(index: u32) -> bool {
  let columns = p.size.x / p.cell;
  let corner = vec2u(index % columns, index / columns) * p.cell;
  for (var channel = 0u; channel < 3u; channel++) {
    for (var y = 0u; y < p.cell; y++) {
      let row = (channel * p.size.y + corner.y + y) * p.size.x + corner.x;
      for (var x = row; x < row + p.cell; x++) {
        if (a[x] != b[x]) { return true; }
      }
    }
  }
  return false;
}

fn sample(index: u32) -> f32 {
  let first = vec2u(index % p.thumbnail.x, index / p.thumbnail.x) * 8u;
  var sum = 0.0;
  for (var y = 0u; y < 8u; y++) {
    for (var x = 0u; x < 8u; x++) {
      let at = (first + vec2u(x, y)) * p.size / (p.thumbnail * 8u);
      sum += a[(p.size.y + at.y) * p.size.x + at.x];
    }
  }
  return sum / 64.0;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let words = (p.cells + 3u) / 4u;
  if (id.x < words) {
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
      let index = id.x * 4u + i;
      if (index < p.cells && differs(index)) { word |= 1u << (8u * i); }
    }
    out[id.x] = word;
  } else if (id.x < words + p.thumbnail.x * p.thumbnail.y) {
    out[id.x] = bitcast<u32>(sample(id.x - words));
  }
}
`;

const SAMPLES = THUMBNAIL.width * THUMBNAIL.height;

/** Compares packed pictures of one size. */
export class Comparer {
  readonly #params: GPUBuffer;
  readonly #out: GPUBuffer;
  readonly #cells: number;
  readonly #words: number;
  readonly #groups = new Map<GPUBuffer, Map<GPUBuffer, GPUBindGroup>>();

  constructor(
    readonly scope: GpuScope,
    readonly readBack: ReadBack,
    readonly timer: StageTimer,
    readonly size: Size,
    cell: number,
  ) {
    this.#cells = (size.width / cell) * (size.height / cell);
    this.#words = Math.ceil(this.#cells / 4);
    const { width, height } = THUMBNAIL;
    const params = [size.width, size.height, cell, this.#cells, width, height];
    this.#params = scope.constants('compare parameters', new Uint32Array(params));
    this.#out = scope.buffer('comparison', (this.#words + SAMPLES) * 4);
  }

  /** Submits the comparison now; answers later. */
  compare(a: GPUBuffer, b: GPUBuffer): Promise<Comparison> {
    const bytes = (this.#words + SAMPLES) * 4;
    return this.readBack.read(
      bytes,
      (encoder, staging) => {
        this.timer.record(encoder, 'compare', () => {
          const pass = encoder.beginComputePass();
          pass.setPipeline(this.scope.gpu.pipeline('compare', WGSL));
          pass.setBindGroup(0, this.#group(a, b));
          pass.dispatchWorkgroups(Math.ceil((this.#words + SAMPLES) / 64));
          pass.end();
        });
        encoder.copyBufferToBuffer(this.#out, 0, staging, 0, bytes);
      },
      (mapped) => ({
        changed: new Uint8Array(mapped).slice(0, this.#cells),
        thumbnail: new Float32Array(mapped, this.#words * 4, SAMPLES).slice(),
      }),
    );
  }

  #group(a: GPUBuffer, b: GPUBuffer): GPUBindGroup {
    let row = this.#groups.get(a);
    if (!row) {
      row = new Map();
      this.#groups.set(a, row);
    }
    let group = row.get(b);
    if (!group) {
      group = this.scope.gpu.device.createBindGroup({
        layout: this.scope.gpu.pipeline('compare', WGSL).getBindGroupLayout(0),
        entries: [a, b, this.#out, this.#params].map((buffer, binding) => ({ binding, resource: { buffer } })),
      });
      row.set(b, group);
    }
    return group;
  }
}
