import type { Rect } from '../engine.js';
import type { GpuScope } from './device.js';

/**
 * Gather and scatter: copies a rectangle of planes `[channels, height, width]` (fp32, rows without gaps) into other
 * planes. One invocation per sample; z is the channel.
 */
const WGSL = /* wgsl */ `
struct Rect { size: vec2u, sourceSize: vec2u, targetSize: vec2u, source: vec2u, destination: vec2u }
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> destination: array<f32>;
@group(0) @binding(2) var<uniform> rect: Rect;

fn at(size: vec2u, x: u32, y: u32, channel: u32) -> u32 {
  return (channel * size.y + y) * size.x + x;
}

@compute @workgroup_size(16, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= rect.size.x || id.y >= rect.size.y) { return; }
  let read = at(rect.sourceSize, rect.source.x + id.x, rect.source.y + id.y, id.z);
  let write = at(rect.targetSize, rect.destination.x + id.x, rect.destination.y + id.y, id.z);
  destination[write] = source[read];
}
`;

/** One copy, in samples of the planes. */
export interface RectCopy {
  readonly channels: number;
  readonly from: Rect;
  readonly to: { readonly x: number; readonly y: number };
  readonly sourceSize: { readonly width: number; readonly height: number };
  readonly targetSize: { readonly width: number; readonly height: number };
}

/** A fixed list of copies, each usable with any pair of buffers of its sizes. */
export class RectCopier {
  readonly #layout: GPUBindGroupLayout;
  readonly #pipeline: GPUComputePipeline;
  readonly #rects: GPUBuffer;
  /** Bind groups by source and target: made on first use, and as few as there are pairs of buffers. */
  readonly #groups = new Map<GPUBuffer, Map<GPUBuffer, GPUBindGroup>>();
  readonly #step: number;

  constructor(
    readonly scope: GpuScope,
    readonly copies: readonly RectCopy[],
  ) {
    const { gpu } = scope;
    const { device } = gpu;
    const visibility = GPUShaderStage.COMPUTE;
    this.#layout = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility, buffer: { type: 'read-only-storage' } },
        { binding: 1, visibility, buffer: { type: 'storage' } },
        { binding: 2, visibility, buffer: { type: 'uniform', hasDynamicOffset: true } },
      ],
    });
    this.#pipeline = gpu.pipeline('copy rect', WGSL, device.createPipelineLayout({ bindGroupLayouts: [this.#layout] }));
    this.#step = device.limits.minUniformBufferOffsetAlignment;
    const numbers = new Uint32Array((this.#step / 4) * Math.max(1, copies.length));
    copies.forEach(({ from, to, sourceSize, targetSize }, i) => {
      numbers.set(
        [
          ...[from.width, from.height, sourceSize.width, sourceSize.height],
          ...[targetSize.width, targetSize.height, from.x, from.y, to.x, to.y],
        ],
        (i * this.#step) / 4,
      );
    });
    this.#rects = scope.constants('rects', numbers);
  }

  /** Adds copy number `index` of the list to a pass. */
  record(pass: GPUComputePassEncoder, index: number, source: GPUBuffer, target: GPUBuffer): void {
    const { from, channels } = this.copies[index] as RectCopy;
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group(source, target), [index * this.#step]);
    pass.dispatchWorkgroups(Math.ceil(from.width / 16), Math.ceil(from.height / 8), channels);
  }

  #group(source: GPUBuffer, target: GPUBuffer): GPUBindGroup {
    let targets = this.#groups.get(source);
    if (!targets) {
      targets = new Map();
      this.#groups.set(source, targets);
    }
    let group = targets.get(target);
    if (!group) {
      group = this.scope.gpu.device.createBindGroup({
        layout: this.#layout,
        entries: [
          { binding: 0, resource: { buffer: source } },
          { binding: 1, resource: { buffer: target } },
          { binding: 2, resource: { buffer: this.#rects, size: 48 } },
        ],
      });
      targets.set(target, group);
    }
    return group;
  }
}
