import type { Rect } from '../engine.js';
import type { GpuScope } from '../webgpu/device.js';
import { bindGroup, type Resource } from './bind.js';
import { type ConvSpec, convSource, type Precision, packWeights, type Tuning, workgroups } from './conv.js';
import { toHalf } from './half.js';
import type { Initialisers } from './initialisers.js';

/** A convolution with its weights on the GPU, for all streams of a model. */
export class ConvKernel {
  readonly pipeline: GPUComputePipeline;
  readonly #weights: GPUBuffer;

  /** @param names of the layers, as in the graph */
  constructor(
    readonly scope: GpuScope,
    readonly spec: ConvSpec,
    readonly tuning: Tuning,
    precision: Precision,
    initialisers: Initialisers,
    names: readonly string[],
    also?: string,
  ) {
    const { gpu } = scope;
    this.pipeline = gpu.pipeline(spec.label, convSource(spec, tuning, precision));
    const packed = packWeights(spec, initialisers, names, also);
    const words = precision === 'f16' ? new Uint32Array(toHalf(packed).buffer) : new Uint32Array(packed.buffer);
    this.#weights = scope.constants(`${spec.label} weights`, words);
  }

  /** Weights, and where it works: made once for each rectangle. */
  place(rect: GPUBuffer): GPUBindGroup {
    return bindGroup(this.scope.gpu.device, this.pipeline, 0, [this.#weights, rect]);
  }

  /** Planes and textures in the order that `convSource` tells: made once for each set. */
  bind(resources: readonly Resource[]): GPUBindGroup {
    return bindGroup(this.scope.gpu.device, this.pipeline, 1, resources);
  }

  record(pass: GPUComputePassEncoder, place: GPUBindGroup, planes: GPUBindGroup, { width, height }: Rect): void {
    pass.setPipeline(this.pipeline);
    pass.setBindGroup(0, place);
    pass.setBindGroup(1, planes);
    pass.dispatchWorkgroups(...workgroups(this.spec, this.tuning, width, height));
  }
}
