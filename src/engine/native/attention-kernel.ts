import type { GpuScope } from '../webgpu/device.js';
import { BindGroups } from './bind.js';

/** A pipeline, and its bind groups: made on first use, and as few as there are combinations of the callers' planes. */
export class Kernel {
  readonly #layout: GPUBindGroupLayout;
  readonly #pipeline: GPUComputePipeline;
  readonly #groups = new BindGroups();

  constructor(
    readonly scope: GpuScope,
    readonly label: string,
    code: string,
    kinds: readonly GPUBufferBindingType[],
    readonly bindings: (planes: GPUBuffer[]) => (GPUBuffer | GPUBufferBinding | undefined)[],
  ) {
    const { device } = scope.gpu;
    this.#layout = device.createBindGroupLayout({
      label,
      entries: kinds.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type, hasDynamicOffset: type === 'uniform' },
      })),
    });
    const layout = device.createPipelineLayout({ label, bindGroupLayouts: [this.#layout] });
    this.#pipeline = scope.gpu.pipeline(label, code, layout);
  }

  record(
    pass: GPUComputePassEncoder,
    planes: GPUBuffer[],
    offsets: number[],
    [across, down]: readonly [number, number],
  ): void {
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group(planes), offsets);
    pass.dispatchWorkgroups(across, down);
  }

  #group(planes: GPUBuffer[]): GPUBindGroup {
    return this.#groups.of(planes, () => {
      const entries = this.bindings(planes).map((bound, binding) => {
        if (!bound) throw new TypeError(`${this.label} lacks a plane.`);
        return { binding, resource: 'buffer' in bound ? bound : { buffer: bound } };
      });
      return this.scope.gpu.device.createBindGroup({ label: this.label, layout: this.#layout, entries });
    });
  }
}
