/** What kernels read and write. */
export type Resource = GPUBuffer | GPUTexture;

/** A bind group of a pipeline: resources in the order of their bindings. */
export function bindGroup(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  index: number,
  resources: readonly Resource[],
): GPUBindGroup {
  return device.createBindGroup({
    layout: pipeline.getBindGroupLayout(index),
    entries: resources.map((resource, binding) => ({
      binding,
      resource: 'createView' in resource ? resource.createView() : { buffer: resource },
    })),
  });
}

/** Bind groups by what they bind: made when a set is first asked for, as many as there are sets. */
export class BindGroups {
  readonly #ids = new Map<Resource, number>();
  readonly #groups = new Map<string, GPUBindGroup>();

  of(resources: readonly Resource[], make: () => GPUBindGroup): GPUBindGroup {
    const key = resources.map((resource) => this.#id(resource)).join();
    const group = this.#groups.get(key) ?? make();
    this.#groups.set(key, group);
    return group;
  }

  #id(resource: Resource): number {
    const id = this.#ids.get(resource) ?? this.#ids.size;
    this.#ids.set(resource, id);
    return id;
  }
}
