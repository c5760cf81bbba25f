import type { Precision } from '../../src/engine/native/conv.js';
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
export function filledBuffer(
  scope: GpuScope,
  label: string,
  data: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>,
): GPUBuffer {
  const buffer = scope.buffer(label, data.byteLength);
  scope.gpu.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** What a buffer of fp32 or, told so, fp16 numbers holds. */
export async function readBuffer(
  scope: GpuScope,
  buffer: GPUBuffer,
  precision: Precision = 'f32',
): Promise<Float32Array<ArrayBuffer>> {
  const copy = scope.buffer('read', buffer.size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  scope.gpu.submit((encoder) => encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size));
  await copy.mapAsync(GPUMapMode.READ);
  const bytes = copy.getMappedRange().slice(0);
  scope.free(copy);
  return precision === 'f32' ? new Float32Array(bytes) : Float32Array.from(new Uint16Array(bytes), numberOf);
}

/** The finite number of half precision that has these bits. */
function numberOf(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const magnitude = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return bits & 0x8000 ? -magnitude : magnitude;
}
