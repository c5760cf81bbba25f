import type { Size } from '../../frame/frame.js';
import type { GpuScope } from './device.js';
import type { ReadBack } from './read-back.js';

/**
 * Compares two packed pictures `[3, height, width]` cell by cell. One invocation makes one word: four cells, a byte
 * each, 1 where any of the cell's values differs. Cells are counted row by row.
 */
const WGSL = /* wgsl */ `
struct Params { size: vec2u, cell: u32, cells: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> flags: array<u32>;
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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x * 4u >= p.cells) { return; }
  var word = 0u;
  for (var i = 0u; i < 4u; i++) {
    let index = id.x * 4u + i;
    if (index < p.cells && differs(index)) { word |= 1u << (8u * i); }
  }
  flags[id.x] = word;
}
`;

/** Finds what changed between packed pictures of one size. */
export class Comparer {
  readonly #params: GPUBuffer;
  readonly #flags: GPUBuffer;
  readonly #cells: number;
  readonly #groups = new Map<GPUBuffer, Map<GPUBuffer, GPUBindGroup>>();

  constructor(
    readonly scope: GpuScope,
    readonly readBack: ReadBack,
    readonly size: Size,
    cell: number,
  ) {
    this.#cells = (size.width / cell) * (size.height / cell);
    this.#params = scope.constants('compare parameters', new Uint32Array([size.width, size.height, cell, this.#cells]));
    this.#flags = scope.buffer('compare flags', this.#cells);
  }

  /** Submits the comparison now; answers, later, with a byte per cell. */
  compare(a: GPUBuffer, b: GPUBuffer): Promise<Uint8Array> {
    return this.readBack.read(
      this.#cells,
      (encoder, staging) => {
        const pass = encoder.beginComputePass();
        pass.setPipeline(this.scope.gpu.pipeline('compare', WGSL));
        pass.setBindGroup(0, this.#group(a, b));
        pass.dispatchWorkgroups(Math.ceil(this.#cells / 256));
        pass.end();
        encoder.copyBufferToBuffer(this.#flags, 0, staging, 0, this.#flags.size);
      },
      (mapped) => new Uint8Array(mapped).slice(0, this.#cells),
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
        entries: [a, b, this.#flags, this.#params].map((buffer, binding) => ({ binding, resource: { buffer } })),
      });
      row.set(b, group);
    }
    return group;
  }
}
