import { RGB_BYTES, yuvToRgb } from '../../frame/colour.js';
import { UpscaleError } from '../../frame/errors.js';
import { type PlanarFrame, type Size, sizeText } from '../../frame/frame.js';
import type { GpuDevice, GpuScope } from './device.js';
import type { StageTimer } from './timer.js';

/**
 * Pack, the usual way: 8-bit planes to planar fp32 R'G'B' `[3, padded height, padded width]` in 0..1, with the same
 * arithmetic as `frame/colour.ts`. The last column and row are repeated up to the padded size. One invocation per pixel.
 */
const FROM_BYTES = /* wgsl */ `
struct Params {
  size: vec2u,        // visible pixels
  padded: vec2u,
  offsets: vec4u,     // bytes: Y, Cb, Cr, or R, G, B
  strides: vec4u,     // bytes a row: first plane, Cb, Cr
  step: u32,          // bytes from one chroma sample to the next; 0 for RGB
  lumaOffset: f32, luma: f32, redFromCr: f32,
  greenFromCb: f32, greenFromCr: f32, blueFromCb: f32,
}
@group(0) @binding(0) var<storage, read> bytes: array<u32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

fn byte(at: u32) -> f32 {
  return f32((bytes[at >> 2u] >> ((at & 3u) * 8u)) & 255u);
}

@compute @workgroup_size(16, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.padded.x || id.y >= p.padded.y) { return; }
  let at = min(id.xy, p.size - 1u);
  var rgb: vec3f;
  if (p.step == 0u) {
    let pixel = at.y * p.strides.x + at.x * 4u;
    rgb = vec3f(byte(p.offsets.x + pixel), byte(p.offsets.y + pixel), byte(p.offsets.z + pixel)) / 255.0;
  } else {
    let chroma = at / 2u;
    let grey = (byte(p.offsets.x + at.y * p.strides.x + at.x) - p.lumaOffset) * p.luma;
    let cb = byte(p.offsets.y + chroma.y * p.strides.y + chroma.x * p.step) - 128.0;
    let cr = byte(p.offsets.z + chroma.y * p.strides.z + chroma.x * p.step) - 128.0;
    rgb = vec3f(grey + p.redFromCr * cr, grey + p.greenFromCb * cb + p.greenFromCr * cr, grey + p.blueFromCb * cb);
  }
  rgb = saturate(rgb);
  let area = p.padded.x * p.padded.y;
  let to = id.y * p.padded.x + id.x;
  packed[to] = rgb.r;
  packed[area + to] = rgb.g;
  packed[2u * area + to] = rgb.b;
}
`;

/** Pack, straight from a VideoFrame on the GPU. Same result and layout; no copy through main memory. */
const FROM_TEXTURE = /* wgsl */ `
struct Params { size: vec2u, padded: vec2u }
@group(0) @binding(0) var frame: texture_external;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(16, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.padded.x || id.y >= p.padded.y) { return; }
  let rgb = saturate(textureLoad(frame, min(id.xy, p.size - 1u)).rgb);
  let area = p.padded.x * p.padded.y;
  let to = id.y * p.padded.x + id.x;
  packed[to] = rgb.r;
  packed[area + to] = rgb.g;
  packed[2u * area + to] = rgb.b;
}
`;

/** Writes source frames of one size into packed planes. */
export class Packer {
  readonly gpu: GpuDevice;
  readonly #params: GPUBuffer;
  #bytes: GPUBuffer | undefined;
  /** Bind groups of the bytes kernel by packed plane. */
  #groups = new Map<GPUBuffer, GPUBindGroup>();

  constructor(
    readonly scope: GpuScope,
    readonly size: Size,
    readonly padded: Size,
    readonly timer: StageTimer,
  ) {
    this.gpu = scope.gpu;
    this.#params = scope.buffer('pack parameters', 96, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  /** From main memory. `packed` is `[3, padded height, padded width]`. */
  fromBytes(frame: PlanarFrame, packed: GPUBuffer): void {
    if (frame.width !== this.size.width || frame.height !== this.size.height) {
      throw new UpscaleError(
        'frame-unsupported',
        `The stream is for ${sizeText(this.size)}, the frame is ${sizeText(frame)}.`,
      );
    }
    const numbers = new ArrayBuffer(96);
    const bytes = describe(frame, this.padded, numbers);
    this.gpu.queue.writeBuffer(this.#params, 0, numbers);
    this.#upload(frame.data, bytes);
    this.#run(this.gpu.pipeline('pack bytes', FROM_BYTES), this.#group(packed));
  }

  /** From a frame the browser can hand to the GPU. */
  fromTexture(frame: VideoFrame, packed: GPUBuffer): void {
    const { device, queue } = this.gpu;
    // First of all: a browser that cannot do this would complain of the kernel on its console.
    const source = device.importExternalTexture({ source: frame });
    queue.writeBuffer(this.#params, 0, new Uint32Array(sizes(this.size, this.padded)));
    const pipeline = this.gpu.pipeline('pack texture', FROM_TEXTURE);
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: source },
        { binding: 1, resource: { buffer: packed } },
        { binding: 2, resource: { buffer: this.#params } },
      ],
    });
    this.#run(pipeline, group);
  }

  #run(pipeline: GPUComputePipeline, group: GPUBindGroup): void {
    const { width, height } = this.padded;
    this.gpu.submit((encoder) =>
      this.timer.record(encoder, 'pack', () => {
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(Math.ceil(width / 16), Math.ceil(height / 8));
        pass.end();
      }),
    );
  }

  #upload(data: Uint8Array, bytes: number): void {
    if (!this.#bytes || this.#bytes.size < bytes) {
      if (this.#bytes) this.scope.free(this.#bytes);
      this.#bytes = this.scope.buffer('frame bytes', bytes);
      this.#groups.clear();
    }
    // Writes are in whole words, and a frame of odd size may end within one.
    const whole = Math.min(Math.ceil(bytes / 4) * 4, data.length & ~3);
    this.gpu.queue.writeBuffer(this.#bytes, 0, data as Uint8Array<ArrayBuffer>, 0, whole);
    if (whole < bytes) {
      const rest = new Uint8Array(4);
      rest.set(data.subarray(whole, bytes));
      this.gpu.queue.writeBuffer(this.#bytes, whole, rest);
    }
  }

  #group(packed: GPUBuffer): GPUBindGroup {
    let group = this.#groups.get(packed);
    if (!group) {
      group = this.gpu.device.createBindGroup({
        layout: this.gpu.pipeline('pack bytes', FROM_BYTES).getBindGroupLayout(0),
        entries: [this.#bytes as GPUBuffer, packed, this.#params].map((buffer, binding) => ({
          binding,
          resource: { buffer },
        })),
      });
      this.#groups.set(packed, group);
    }
    return group;
  }
}

function sizes(size: Size, padded: Size): number[] {
  return [size.width, size.height, padded.width, padded.height];
}

/** Fills the kernel's parameters and returns how many of the frame's bytes it reads. */
function describe(frame: PlanarFrame, padded: Size, numbers: ArrayBuffer): number {
  const words = new Uint32Array(numbers);
  const floats = new Float32Array(numbers);
  words.set(sizes(frame, padded));
  const [first, second, third] = frame.planes;
  if (!first) throw new UpscaleError('frame-unsupported', `The ${frame.format} frame has no plane.`);
  if (frame.format !== 'I420' && frame.format !== 'NV12') {
    words.set(
      RGB_BYTES[frame.format].map((byte) => first.offset + byte),
      4,
    );
    words[8] = first.stride;
    return first.offset + (frame.height - 1) * first.stride + frame.width * 4;
  }
  const planar = frame.format === 'I420';
  const cb = second;
  const cr = planar ? third : second && { offset: second.offset + 1, stride: second.stride };
  if (!cb || !cr) throw new UpscaleError('frame-unsupported', `The ${frame.format} frame lacks a plane.`);
  words.set([first.offset, cb.offset, cr.offset], 4);
  words.set([first.stride, cb.stride, cr.stride], 8);
  words[12] = planar ? 1 : 2;
  const m = yuvToRgb(frame.colourSpace);
  floats.set([m.lumaOffset, m.luma, m.redFromCr, m.greenFromCb, m.greenFromCr, m.blueFromCb], 13);
  const step = planar ? 1 : 2;
  const chromaRows = Math.ceil(frame.height / 2) - 1;
  const chromaEnd = (Math.ceil(frame.width / 2) - 1) * step + 1;
  return Math.max(
    first.offset + (frame.height - 1) * first.stride + frame.width,
    cb.offset + chromaRows * cb.stride + chromaEnd,
    cr.offset + chromaRows * cr.stride + chromaEnd,
  );
}
