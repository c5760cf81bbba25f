import { readFileSync } from 'node:fs';
import { packRgb } from '../../src/frame/colour.js';
import type { ColourSpace, PlanarFormat, PlanarFrame, PlaneLayout, Size } from '../../src/frame/frame.js';
import { planeSizes, tightLayout } from '../../src/frame/planes.js';
import type { CodedPicture, VideoDecoder, VideoEncoder } from '../../src/server/codecs/codec.js';
import { toI420 } from '../../src/server/codecs/to-i420.js';
import { photoFrame } from '../support/pictures.js';

/** BT.601, limited range. */
export const BT601: ColourSpace = { matrix: 'smpte170m', fullRange: false };

/** 30 frames a second in microseconds: no whole number. */
export const INTERVAL_US = 1e6 / 30;

/** A photograph that pans by two pixels a frame and back, as I420. */
export function panning(size: Size, count: number, colourSpace = BT601): PlanarFrame[] {
  const seen = new Map<number, PlanarFrame>();
  return Array.from({ length: count }, (_, i) => {
    const step = i % 60 < 30 ? i % 60 : 60 - (i % 60);
    const made = seen.get(step) ?? toI420(photoFrame(size.width, size.height, 100 + 2 * step, 40 + step), colourSpace);
    seen.set(step, made);
    return { ...made, timestampUs: i * INTERVAL_US };
  });
}

/** A camera's eight frames, 96x64, again and again. */
export function camera(count: number): PlanarFrame[] {
  const bytes = new Uint8Array(readFileSync(new URL('../fixtures/camera/frames.i420', import.meta.url)));
  const size = { width: 96, height: 64 };
  return Array.from({ length: count }, (_, i) => ({
    ...size,
    format: 'I420',
    data: bytes.subarray((i % 8) * 9216, (i % 8) * 9216 + 9216),
    planes: tightLayout('I420', size),
    colourSpace: BT601,
    timestampUs: i * INTERVAL_US,
  }));
}

/** Planar R'G'B', 0..1: what a viewer sees. */
export function rgbOf(frame: PlanarFrame): Float32Array {
  const rgb = new Float32Array(3 * frame.width * frame.height);
  packRgb(frame, rgb, frame.width, frame.height);
  return rgb;
}

/** Peak signal-to-noise ratio of what viewers see, in dB. */
export function psnr(a: PlanarFrame, b: PlanarFrame): number {
  const [p, q] = [rgbOf(a), rgbOf(b)];
  if (p.length !== q.length) throw new RangeError(`${a.width}x${a.height} is not ${b.width}x${b.height}.`);
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += (p[i]! - q[i]!) ** 2;
  return 10 * Math.log10(p.length / sum);
}

/** Saturated colours, two rows of four. */
export const PATCHES = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [255, 255, 0],
  [0, 255, 255],
  [255, 0, 255],
  [255, 255, 255],
  [20, 20, 20],
] as const;

/** {@link PATCHES} as RGBX, each 32x32. */
export function patches(timestampUs = 0): PlanarFrame {
  const [width, height] = [128, 64];
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(PATCHES[(y >> 5) * 4 + (x >> 5)]!, (y * width + x) * 4);
  }
  return {
    format: 'RGBX',
    width,
    height,
    data,
    planes: [{ offset: 0, stride: width * 4 }],
    colourSpace: { matrix: 'bt709', fullRange: true },
    timestampUs,
  };
}

/** The largest distance of a patch's middle from its colour, in levels. */
export function patchError(frame: PlanarFrame): number {
  const rgb = rgbOf(frame);
  const area = frame.width * frame.height;
  let worst = 0;
  for (const [i, colour] of PATCHES.entries()) {
    const at = ((i >> 2) * 32 + 16) * frame.width + (i & 3) * 32 + 16;
    for (const [c, level] of colour.entries()) worst = Math.max(worst, Math.abs(rgb[c * area + at]! * 255 - level));
  }
  return worst;
}

/** A frame in another format, its rows in the wrong place and far apart, what lies between them bright nonsense. */
export function scattered(frame: PlanarFrame, format: PlanarFormat): PlanarFrame {
  const source = format === 'I420' || format === 'NV12' ? toI420(frame, BT601) : frame;
  const sizes = planeSizes(format, frame);
  let offset = 5;
  const planes = sizes.map(({ bytes, rows }): PlaneLayout => {
    const layout = { offset, stride: bytes + 13 };
    offset += layout.stride * rows + 7;
    return layout;
  });
  const data = new Uint8Array(offset).map((_, i) => (i * 151) & 255);
  const put = (plane: number, row: number, column: number, value: number): void => {
    data[planes[plane]!.offset + row * planes[plane]!.stride + column] = value;
  };
  const read = (plane: number, row: number, column: number): number =>
    source.data[source.planes[plane]!.offset + row * source.planes[plane]!.stride + column]!;
  for (const [plane, { bytes, rows }] of sizes.entries()) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < bytes; x++) {
        if (format === 'I420' || plane === 0) {
          const swapped = format.startsWith('BGR') && x % 4 !== 3 ? x - (x % 4) + 2 - (x % 4) : x;
          put(plane, y, x, read(plane, y, swapped));
        } else put(plane, y, x, read(1 + (x & 1), y, x >> 1));
      }
    }
  }
  return { ...source, format, data, planes };
}

/** Encodes frames; every one must come out. @param keys numbers of those that must be keyframes */
export async function encodeAll(
  encoder: VideoEncoder,
  frames: readonly PlanarFrame[],
  keys: readonly number[] = [],
): Promise<CodedPicture[]> {
  const pictures: CodedPicture[] = [];
  for (const [i, frame] of frames.entries()) {
    const picture = await encoder.encode(frame, keys.includes(i));
    if (!picture) throw new Error(`Frame ${i} was left out.`);
    pictures.push(picture);
  }
  return pictures;
}

/** Decodes pictures; what comes out, in order. */
export async function decodeAll(decoder: VideoDecoder, pictures: readonly CodedPicture[]): Promise<PlanarFrame[]> {
  const frames: PlanarFrame[] = [];
  for (const picture of pictures) frames.push(...(await decoder.decode(picture)));
  return frames;
}

/** Numbers 0..1 that are the same every time (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
