import type { GpuScope } from '../webgpu/device.js';

/** A pipeline, and its bind groups: made on first use, and as few as there are combinations of the callers' planes. */
export class Kernel {
  readonly #layout: GPUBindGroupLayout;
  readonly #pipeline: GPUComputePipeline;
  readonly #numbers = new Map<GPUBuffer, number>();
  readonly #groups = new Map<string, GPUBindGroup>();

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
    const key = planes.map((plane) => this.#number(plane)).join();
    let group = this.#groups.get(key);
    if (!group) {
      const entries = this.bindings(planes).map((bound, binding) => {
        if (!bound) throw new TypeError(`${this.label} lacks a plane.`);
        return { binding, resource: 'buffer' in bound ? bound : { buffer: bound } };
      });
      group = this.scope.gpu.device.createBindGroup({ label: this.label, layout: this.#layout, entries });
      this.#groups.set(key, group);
    }
    return group;
  }

  #number(plane: GPUBuffer): number {
    const number = this.#numbers.get(plane) ?? this.#numbers.size;
    this.#numbers.set(plane, number);
    return number;
  }
}
