import type { InferenceSession, Tensor } from 'onnxruntime-web';
import type { LoadedModel } from '../../src/engine/engine.js';
import type { Ort } from '../../src/engine/ort/runtime.js';
import type { Size } from '../../src/frame/frame.js';
import type { PlaneSpec } from '../../src/model/manifest.js';

/** A whole frame's intermediate tensors may take this much. */
const MOST_BYTES = 2 ** 30;

/** Why the yardstick cannot be had for pictures of this size, if so. */
export function tooLarge({ manifest }: LoadedModel, { width, height }: Size): string | undefined {
  const bytes = (manifest.encode.peakBytesPerPixel + manifest.fuse.peakBytesPerPixel) * width * height;
  if (bytes <= MOST_BYTES) return undefined;
  return `the whole frame in one run would take ${Math.round(bytes / 2 ** 20)} MiB of intermediate tensors`;
}

/**
 * What ONNX Runtime alone needs for a frame: one plain `run` of the encoder and one of the fuse graph on the whole padded
 * picture. No tiles, no ring, no pictures in or out.
 */
export class Yardstick {
  private constructor(
    readonly encode: InferenceSession,
    readonly fuse: InferenceSession,
    readonly encodeFeeds: Record<string, Tensor>,
    readonly fuseFeeds: Record<string, Tensor>,
  ) {}

  /** @param frame the packed picture, `[3, height, width]` */
  static async open(
    ort: Ort,
    { manifest, files }: LoadedModel,
    { width, height }: Size,
    frame: Float32Array,
  ): Promise<Yardstick> {
    const session = (file: string): Promise<InferenceSession> =>
      ort.InferenceSession.create(files.get(file) as Uint8Array, {
        executionProviders: ['wasm'],
        graphOptimizationLevel: 'all',
      });
    const encode = await session(manifest.encode.file);
    const fuse = await session(manifest.fuse.file);
    const encodeFeeds: Record<string, Tensor> = {};
    const picture = new ort.Tensor('float32', frame, [1, 3, height, width]);
    for (const [name, { plane, age }] of Object.entries(manifest.encode.inputs)) {
      const { channels, stride } = manifest.planes[plane] as PlaneSpec;
      const dims = [1, channels, height / stride, width / stride];
      const zeros = (): Float32Array => new Float32Array(dims.reduce((product, dim) => product * dim));
      encodeFeeds[name] = age === 0 ? picture : new ort.Tensor('float32', zeros(), dims);
    }
    // All seven frames are the same one: the numbers change, the work does not.
    const planes = new Map<string, Tensor | undefined>([['frame', picture]]);
    const encoded = await encode.run(encodeFeeds);
    for (const [name, plane] of Object.entries(manifest.encode.outputs)) planes.set(plane, encoded[name]);
    const fuseFeeds: Record<string, Tensor> = {};
    for (const [name, { plane }] of Object.entries(manifest.fuse.inputs)) fuseFeeds[name] = planes.get(plane) as Tensor;
    return new Yardstick(encode, fuse, encodeFeeds, fuseFeeds);
  }

  /** Runs both graphs once. */
  async run(): Promise<void> {
    await this.encode.run(this.encodeFeeds);
    await this.fuse.run(this.fuseFeeds);
  }
}
