import type { GpuScope } from '../../src/engine/webgpu/device.js';
import { emptyPlane, type Plane } from './attention-reference.js';

/** A plane as kernels have it, `[height][width][channels / 4]` vectors of four. */
export function packedPlane({ channels, width, height, data }: Plane): Float32Array<ArrayBuffer> {
  const padded = 4 * Math.ceil(channels / 4);
  const packed = new Float32Array(width * height * padded);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < width * height; i++) packed[i * padded + c] = data[c * width * height + i]!;
  }
  return packed;
}

/** The plane back from its vectors. */
export function unpackedPlane(packed: Float32Array, channels: number, width: number, height: number): Plane {
  const plane = emptyPlane(channels, width, height);
  const padded = 4 * Math.ceil(channels / 4);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < width * height; i++) plane.data[c * width * height + i] = packed[i * padded + c]!;
  }
  return plane;
}

/** A storage buffer that holds `data`. */
export function filledBuffer(scope: GpuScope, label: string, data: Float32Array<ArrayBuffer>): GPUBuffer {
  const buffer = scope.buffer(label, data.byteLength);
  scope.gpu.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** What a buffer holds. */
export async function readBuffer(scope: GpuScope, buffer: GPUBuffer): Promise<Float32Array<ArrayBuffer>> {
  const copy = scope.buffer('read', buffer.size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  scope.gpu.submit((encoder) => encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size));
  await copy.mapAsync(GPUMapMode.READ);
  const data = new Float32Array(copy.getMappedRange().slice(0));
  scope.free(copy);
  return data;
}
