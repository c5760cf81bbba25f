import type { PlanarFrame } from '../src/frame/frame.js';
import { rgbx } from '../src/frame/rgbx.js';

/** A picture of 8-bit R'G'B', 3 bytes a pixel, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The top left part of a picture, its sides cut to multiples of `step`. */
export function cutToMultiple(picture: Picture, step: number): Picture {
  const width = picture.width - (picture.width % step);
  const height = picture.height - (picture.height % step);
  if (width === picture.width && height === picture.height) return picture;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = y * picture.width * 3;
    data.set(picture.data.subarray(row, row + width * 3), y * width * 3);
  }
  return { width, height, data };
}

/** A picture as the pipeline takes it, without any loss. */
export function toFrame({ width, height, data }: Picture, timestampUs: number): PlanarFrame {
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    pixels.set(data.subarray(from, from + 3), to);
  }
  return rgbx(pixels, width, height, { timestampUs });
}

/** An output of the pipeline: RGBX, its rows without gaps. */
export function fromFrame({ width, height, data }: PlanarFrame): Picture {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb.set(data.subarray(from, from + 3), to);
  }
  return { width, height, data: rgb };
}
