import type { ColourMatrix, ColourSpace, PlanarFrame } from './frame.js';

/**
 * Colour conversion, exact: R'G'B' = M (Y'CbCr - offset), in fp32, clamped to 0..1, not rounded to 8 bits.
 * Chroma is replicated: a chroma sample belongs to its 2x2 block of pixels.
 */

/** Luma weights of red and blue (ITU-R BT.709, BT.601, BT.2020 non-constant luminance). */
const LUMA_WEIGHTS: Readonly<Record<ColourMatrix, readonly [red: number, blue: number]>> = {
  bt709: [0.2126, 0.0722],
  smpte170m: [0.299, 0.114],
  'bt2020-ncl': [0.2627, 0.0593],
};

/** Coefficients that take 8-bit samples (0..255) to R'G'B' 0..1. */
export interface YuvToRgb {
  readonly lumaOffset: number;
  readonly luma: number;
  readonly redFromCr: number;
  readonly greenFromCb: number;
  readonly greenFromCr: number;
  readonly blueFromCb: number;
}

/** The conversion for a colour space. Chroma's offset is 128. */
export function yuvToRgb({ matrix, fullRange }: ColourSpace): YuvToRgb {
  const [kr, kb] = LUMA_WEIGHTS[matrix];
  const kg = 1 - kr - kb;
  const luma = fullRange ? 1 / 255 : 1 / 219;
  const chroma = fullRange ? 1 / 255 : 1 / 224;
  return {
    lumaOffset: fullRange ? 0 : 16,
    luma,
    redFromCr: 2 * (1 - kr) * chroma,
    greenFromCb: (-2 * kb * (1 - kb) * chroma) / kg,
    greenFromCr: (-2 * kr * (1 - kr) * chroma) / kg,
    blueFromCb: 2 * (1 - kb) * chroma,
  };
}

/** Byte positions of R, G and B in a 4-byte pixel. */
export const RGB_BYTES = {
  RGBA: [0, 1, 2],
  RGBX: [0, 1, 2],
  BGRA: [2, 1, 0],
  BGRX: [2, 1, 0],
} as const;

/**
 * Writes a frame as planar fp32 R'G'B' `[3, height, width]` at the padded size, its last column and row repeated.
 * @param target receives `3 * paddedWidth * paddedHeight` values in 0..1
 */
export function packRgb(frame: PlanarFrame, target: Float32Array, paddedWidth: number, paddedHeight: number): void {
  const { width, height } = frame;
  const area = paddedWidth * paddedHeight;
  if (frame.format === 'I420' || frame.format === 'NV12') packYuv(frame, target, paddedWidth, area);
  else packRgb32(frame, target, paddedWidth, area);
  for (let channel = 0; channel < 3; channel++) {
    const plane = target.subarray(channel * area, (channel + 1) * area);
    if (paddedWidth > width) {
      for (let y = 0; y < height; y++) {
        const end = y * paddedWidth + width;
        plane.fill(plane[end - 1] ?? 0, end, (y + 1) * paddedWidth);
      }
    }
    for (let y = height; y < paddedHeight; y++) {
      plane.copyWithin(y * paddedWidth, (height - 1) * paddedWidth, height * paddedWidth);
    }
  }
}

function clamp01(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}

const scaled8 = new Float32Array(256).map((_, value) => value / 255);

function packRgb32(frame: PlanarFrame, target: Float32Array, paddedWidth: number, area: number): void {
  const { data, width, height } = frame;
  const layout = frame.planes[0] ?? { offset: 0, stride: width * 4 };
  const [red, green, blue] = RGB_BYTES[frame.format as keyof typeof RGB_BYTES];
  for (let y = 0; y < height; y++) {
    let from = layout.offset + y * layout.stride;
    let to = y * paddedWidth;
    for (let x = 0; x < width; x++, from += 4, to++) {
      target[to] = scaled8[data[from + red] as number] as number;
      target[area + to] = scaled8[data[from + green] as number] as number;
      target[2 * area + to] = scaled8[data[from + blue] as number] as number;
    }
  }
}

function packYuv(frame: PlanarFrame, target: Float32Array, paddedWidth: number, area: number): void {
  const { data, width, height, format } = frame;
  const [luma, second, third] = frame.planes;
  if (!luma || !second || (format === 'I420' && !third)) throw new RangeError(`A ${format} frame lacks a plane.`);
  const m = yuvToRgb(frame.colourSpace);
  const step = format === 'I420' ? 1 : 2;
  for (let y = 0; y < height; y++) {
    const row = luma.offset + y * luma.stride;
    let cb = second.offset + (y >> 1) * second.stride;
    let cr = third && format === 'I420' ? third.offset + (y >> 1) * third.stride : cb + 1;
    let to = y * paddedWidth;
    for (let x = 0; x < width; x += 2, cb += step, cr += step) {
      const u = (data[cb] as number) - 128;
      const v = (data[cr] as number) - 128;
      const red = m.redFromCr * v;
      const green = m.greenFromCb * u + m.greenFromCr * v;
      const blue = m.blueFromCb * u;
      for (let pixel = x; pixel < x + 2 && pixel < width; pixel++, to++) {
        const grey = ((data[row + pixel] as number) - m.lumaOffset) * m.luma;
        const r = grey + red;
        const g = grey + green;
        const b = grey + blue;
        target[to] = clamp01(r);
        target[area + to] = clamp01(g);
        target[2 * area + to] = clamp01(b);
      }
    }
  }
}
