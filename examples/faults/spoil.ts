import type { Tensor } from 'onnxruntime-web';

/** Enough to be seen by a person, and by every check that is worth its name. */
const OFF = 0.1;
const GROUP = 64;

/** Pipelines of a device by the type of number. */
const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

/**
 * Makes every number of a tensor wrong, wherever the tensor is.
 * @param device whose queue the tensor was computed on, if that was a GPU's
 */
export function spoil(tensor: Tensor, device: GPUDevice | undefined): void {
  if (tensor.location === 'gpu-buffer' && device) spoilBuffer(tensor, device);
  else if (tensor.data instanceof Float32Array) {
    const { data } = tensor;
    for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) + OFF;
  }
}

function spoilBuffer({ gpuBuffer, type, size }: Tensor, device: GPUDevice): void {
  const pipeline = pipelineOf(device, type === 'float16' ? 'f16' : 'f32');
  const buffer = gpuBuffer as unknown as GPUBuffer;
  const entries = [{ binding: 0, resource: { buffer } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  // Rows of groups, because one row may have no more than 65535.
  const groups = Math.ceil(size / GROUP);
  const columns = Math.min(groups, 1024);
  pass.dispatchWorkgroups(columns, Math.ceil(groups / columns));
  pass.end();
  device.queue.submit([encoder.finish()]);
}

function pipelineOf(device: GPUDevice, number: 'f16' | 'f32'): GPUComputePipeline {
  const known = pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
  pipelines.set(device, known);
  const pipeline =
    known.get(number) ??
    device.createComputePipeline({
      layout: 'auto',
      compute: {
        module: device.createShaderModule({
          code: `${number === 'f16' ? 'enable f16;' : ''}
@group(0) @binding(0) var<storage, read_write> numbers: array<${number}>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * ${GROUP} + id.x;
  if (i < arrayLength(&numbers)) { numbers[i] += ${number}(${OFF}); }
}`,
        }),
      },
    });
  known.set(number, pipeline);
  return pipeline;
}
