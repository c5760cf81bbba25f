import type { Size } from '../frame/frame.js';
import { type Rect, THUMBNAIL } from './engine.js';

/**
 * Copies a rectangle of `[channels, height, width]` planes into other planes.
 * @param from top left corner in the source; `to` in the target; lengths in samples of these planes
 */
export function copyRect(
  source: Float32Array,
  sourceSize: { width: number; height: number },
  target: Float32Array,
  targetSize: { width: number; height: number },
  channels: number,
  from: Rect,
  to: { x: number; y: number },
): void {
  for (let channel = 0; channel < channels; channel++) {
    let read = (channel * sourceSize.height + from.y) * sourceSize.width + from.x;
    let write = (channel * targetSize.height + to.y) * targetSize.width + to.x;
    for (let y = 0; y < from.height; y++, read += sourceSize.width, write += targetSize.width) {
      target.set(source.subarray(read, read + from.width), write);
    }
  }
}

/** The size of a plane of this stride of a picture or tile. */
export function planeSize({ width, height }: Size, stride: number): Size {
  return { width: width / stride, height: height / stride };
}

/** A rectangle of the picture in the samples of a plane of this stride. */
export function strided(rect: Rect, stride: number): Rect {
  return { x: rect.x / stride, y: rect.y / stride, width: rect.width / stride, height: rect.height / stride };
}

/**
 * Which cells of two packed pictures differ: a byte per `cell x cell` pixels, row by row, 1 where any value differs.
 * @param a `[3, height, width]`
 * @param b `[3, height, width]`
 */
export function differingCells(
  a: Float32Array,
  b: Float32Array,
  width: number,
  height: number,
  cell: number,
): Uint8Array {
  const columns = width / cell;
  const flags = new Uint8Array(columns * (height / cell));
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < height; y++) {
      const row = (channel * height + y) * width;
      const flagRow = Math.floor(y / cell) * columns;
      for (let column = 0; column < columns; column++) {
        if (flags[flagRow + column]) continue;
        const start = row + column * cell;
        for (let i = start; i < start + cell; i++) {
          if (a[i] !== b[i]) {
            flags[flagRow + column] = 1;
            break;
          }
        }
      }
    }
  }
  return flags;
}

/**
 * A packed picture in {@link THUMBNAIL} samples: means of at most 8 x 8 of the green values that a sample covers.
 * @param frame `[3, height, width]`
 */
export function thumbnailOf(frame: Float32Array, width: number, height: number): Float32Array {
  const thumbnail = new Float32Array(THUMBNAIL.width * THUMBNAIL.height);
  const at = (i: number, of: number, side: number): number => Math.floor((i * side) / of);
  const across = Array.from({ length: THUMBNAIL.width * 8 }, (_, i) => at(i, THUMBNAIL.width * 8, width));
  for (let i = 0; i < THUMBNAIL.height * 8; i++) {
    const row = (height + at(i, THUMBNAIL.height * 8, height)) * width;
    const write = (i >> 3) * THUMBNAIL.width;
    for (let j = 0; j < across.length; j++) {
      (thumbnail[write + (j >> 3)] as number) += (frame[row + (across[j] as number)] as number) / 64;
    }
  }
  return thumbnail;
}

/**
 * Writes the core of a network's output into a picture of 4-byte pixels, clamped and rounded, cropped to the picture.
 * @param out `[3, outer.height * scale, outer.width * scale]`
 * @param pixels R, G, B and an untouched byte for each pixel of the output picture
 */
export function stitchTile(
  out: Float32Array,
  outer: Rect,
  core: Rect,
  scale: number,
  pixels: Uint8ClampedArray,
  picture: { width: number; height: number },
): void {
  const stride = outer.width * scale;
  const area = stride * outer.height * scale;
  const left = core.x * scale;
  const right = Math.min((core.x + core.width) * scale, picture.width);
  const bottom = Math.min((core.y + core.height) * scale, picture.height);
  for (let y = core.y * scale; y < bottom; y++) {
    let read = (y - outer.y * scale) * stride + left - outer.x * scale;
    let write = (y * picture.width + left) * 4;
    for (let x = left; x < right; x++, read++, write += 4) {
      // A clamped array rounds to nearest (ties to even) and clamps.
      pixels[write] = (out[read] as number) * 255;
      pixels[write + 1] = (out[area + read] as number) * 255;
      pixels[write + 2] = (out[2 * area + read] as number) * 255;
    }
  }
}
