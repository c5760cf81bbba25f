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
