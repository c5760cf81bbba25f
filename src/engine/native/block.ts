import type { Rect } from '../engine.js';
import type { GpuScope } from '../webgpu/device.js';
import { bindGroup, type Resource } from './bind.js';
import { type ConvSpec, matrices, type Precision, packWeights, weightBytes } from './conv.js';
import { toHalf } from './half.js';
import type { Initialisers } from './initialisers.js';

/** Pixels along a side that a workgroup makes; its first convolution is made of two more. */
const SIDE = 8;
const INNER = SIDE + 2;
const INVOCATIONS = 64;
/** Pixels and groups of four channels that an invocation makes at a time. */
const PIXELS = 2;
const GROUPS = 4;
/** Workgroup memory of every GPU. */
const MOST_BYTES = 16_384;

/** A residual block `x + b(relu(a(x)))` as one dispatch. */
export interface BlockSpec {
  readonly label: string;
  readonly channels: number;
}

/** Whether the plane between the convolutions fits into workgroup memory. */
export function fitsBlock(channels: number, precision: Precision): boolean {
  return channels % (4 * GROUPS) === 0 && INNER ** 2 * channels * (precision === 'f16' ? 2 : 4) <= MOST_BYTES;
}

/** Multiply-adds of a pixel: the first convolution is made of the ring around each workgroup's pixels, too. */
export function blockMacs({ channels }: BlockSpec): number {
  return 9 * channels ** 2 * (1 + (INNER / SIDE) ** 2);
}

export function blockWeightBytes({ channels, label }: BlockSpec, precision: Precision): number {
  return 2 * weightBytes(convOf(label, channels), precision);
}

/** Bytes that invocations ask for, of a pixel: the plane for the first convolution, and for what is added. */
export function blockBytesLoaded({ channels }: BlockSpec, bytes: number): number {
  const again = ((3 * (PIXELS + 2)) / PIXELS) * (channels / 4 / GROUPS) * (INNER / SIDE) ** 2;
  return channels * bytes * (again + 1);
}

/** One of its two convolutions, as far as weights go. */
function convOf(label: string, channels: number): ConvSpec {
  return { label, inputs: [channels], out: channels, activation: 'none', residual: false, to: 'plane' };
}

/**
 * The kernel. Group 0: weights of a, parameters, weights of b. Group 1: the plane, the result.
 *
 * A workgroup makes 8x8 pixels. What is between the convolutions never leaves it, at the price of making the ring around its
 * pixels again: half as much more of the first convolution, for one dispatch less and half the memory moved.
 */
export function blockSource({ channels, label }: BlockSpec, T: Precision): string {
  const groups = channels / 4;
  const parts = groups / GROUPS;
  const at = matrices(convOf(label, channels));
  const strips = INNER / PIXELS;
  const P = Array.from({ length: PIXELS }, (_, p) => p);
  const G = Array.from({ length: GROUPS }, (_, g) => g);
  const products = (weights: string): string =>
    [0, 1, 2]
      .flatMap((kx) =>
        G.map((g) => {
          const matrix = `${weights}[((ky * 3u + ${kx}u) * ${groups}u + ci) * ${groups}u + first + ${g}u]`;
          return `        { let m = ${matrix}; ${P.map((q) => `a${q}_${g} += m * v${q + kx};`).join(' ')} }`;
        }),
      )
      .join('\n');
  const begin = (weights: string): string =>
    G.map((g) => {
      const bias = `${weights}[${at.biases}u + ((first + ${g}u) >> 2u)][(first + ${g}u) & 3u]`;
      return `    let b${g} = ${bias}; ${P.map((q) => `var a${q}_${g} = b${g};`).join(' ')}`;
    }).join('\n');
  return `${T === 'f16' ? 'enable f16;\n' : ''}
struct Params { origin: vec2u, size: vec2u, plane: vec2u, picture: vec2u }
@group(0) @binding(0) var<uniform> wa: array<mat4x4<${T}>, ${at.all}>;
@group(0) @binding(1) var<uniform> p: Params;
@group(0) @binding(2) var<uniform> wb: array<mat4x4<${T}>, ${at.all}>;
@group(1) @binding(0) var<storage, read> plane: array<vec4<${T}>>;
@group(1) @binding(1) var<storage, read_write> result: array<vec4<${T}>>;
var<workgroup> inner: array<vec4<${T}>, ${INNER * INNER * groups}>;

fn pixel(x: i32, y: i32, ci: u32) -> vec4<${T}> {
  let inside = x >= 0 && y >= 0 && x < i32(p.plane.x) && y < i32(p.plane.y);
  let at = clamp(vec2i(x, y), vec2i(), vec2i(p.plane) - 1);
  return select(vec4<${T}>(), plane[(u32(at.y) * p.plane.x + u32(at.x)) * ${groups}u + ci], inside);
}

@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let corner = vec2i(p.origin + group.xy * ${SIDE}u);
  for (var item = lane; item < ${strips * INNER * parts}u; item += ${INVOCATIONS}u) {
    let first = item / ${strips * INNER}u * ${GROUPS}u;
    let strip = item % ${strips * INNER}u;
    let row = strip / ${strips}u;
    let column = strip % ${strips}u * ${PIXELS}u;
    let x = corner.x - 1 + i32(column);
    let y = corner.y - 1 + i32(row);
${begin('wa')}
    for (var ky = 0u; ky < 3u; ky++) {
      for (var ci = 0u; ci < ${groups}u; ci++) {
${Array.from({ length: PIXELS + 2 }, (_, k) => `        let v${k} = pixel(x + ${k - 1}, y + i32(ky) - 1, ci);`).join('\n')}
${products('wa')}
      }
    }
${P.map((q) => {
  const inside = `x + ${q} >= 0 && y >= 0 && x + ${q} < i32(p.plane.x) && y < i32(p.plane.y)`;
  const to = `(row * ${INNER}u + column + ${q}u) * ${groups}u + first`;
  // The second convolution, too, sees zeros outside the picture.
  return `    { let inside = ${inside}; let to = ${to};
${G.map((g) => `      inner[to + ${g}u] = select(vec4<${T}>(), max(a${q}_${g}, vec4<${T}>()), inside);`).join('\n')} }`;
}).join('\n')}
  }
  workgroupBarrier();
  for (var item = lane; item < ${(SIDE / PIXELS) * SIDE * parts}u; item += ${INVOCATIONS}u) {
    let first = item / ${(SIDE / PIXELS) * SIDE}u * ${GROUPS}u;
    let strip = item % ${(SIDE / PIXELS) * SIDE}u;
    let row = strip / ${SIDE / PIXELS}u;
    let column = strip % ${SIDE / PIXELS}u * ${PIXELS}u;
${begin('wb')}
    for (var ky = 0u; ky < 3u; ky++) {
      for (var ci = 0u; ci < ${groups}u; ci++) {
        let line = ((row + ky) * ${INNER}u + column) * ${groups}u + ci;
${Array.from({ length: PIXELS + 2 }, (_, k) => `        let v${k} = inner[line + ${k * groups}u];`).join('\n')}
${products('wb')}
      }
    }
    let y = u32(corner.y) + row;
${P.map(
  (q) => `    { let x = u32(corner.x) + column + ${q}u;
      if (x < p.origin.x + p.size.x && y < p.origin.y + p.size.y) {
        let to = (y * p.plane.x + x) * ${groups}u + first;
${G.map((g) => `        result[to + ${g}u] = plane[to + ${g}u] + a${q}_${g};`).join('\n')}
      } }`,
).join('\n')}
  }
}
`;
}

/** A residual block with its weights on the GPU, for all streams of a model. */
export class BlockKernel {
  readonly pipeline: GPUComputePipeline;
  readonly #weights: readonly [a: GPUBuffer, b: GPUBuffer];

  /** @param name of the block in the graph */
  constructor(
    readonly scope: GpuScope,
    readonly spec: BlockSpec,
    precision: Precision,
    initialisers: Initialisers,
    name: string,
  ) {
    this.pipeline = scope.gpu.pipeline(spec.label, blockSource(spec, precision));
    const upload = (layer: string): GPUBuffer => {
      const packed = packWeights(convOf(spec.label, spec.channels), initialisers, [layer]);
      const words = precision === 'f16' ? new Uint32Array(toHalf(packed).buffer) : new Uint32Array(packed.buffer);
      return scope.constants(`${spec.label} weights`, words);
    };
    this.#weights = [upload(`${name}.a`), upload(`${name}.b`)];
  }

  place(rect: GPUBuffer): GPUBindGroup {
    const [a, b] = this.#weights;
    return bindGroup(this.scope.gpu.device, this.pipeline, 0, [a, rect, b]);
  }

  /** @param planes what is read, and what is written */
  bind(planes: readonly Resource[]): GPUBindGroup {
    return bindGroup(this.scope.gpu.device, this.pipeline, 1, planes);
  }

  record(pass: GPUComputePassEncoder, place: GPUBindGroup, planes: GPUBindGroup, { width, height }: Rect): void {
    pass.setPipeline(this.pipeline);
    pass.setBindGroup(0, place);
    pass.setBindGroup(1, planes);
    pass.dispatchWorkgroups(Math.ceil(width / SIDE), Math.ceil(height / SIDE));
  }
}
