import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decode } from 'jpeg-js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { rgbx } from '../../src/frame/rgbx.js';

const photo = decode(readFileSync(new URL('../fixtures/picture.jpg', import.meta.url)), { useTArray: true });

/** A crop of a real photograph, as a frame. Other corners make other frames: a camera that pans. */
export function photoFrame(width: number, height: number, left = 0, top = 0, timestampUs = 0): PlanarFrame {
  if (left + width > photo.width || top + height > photo.height) throw new RangeError('The crop leaves the picture.');
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * photo.width + left) * 4;
    pixels.set(photo.data.subarray(start, start + width * 4), y * width * 4);
  }
  return rgbx(pixels, width, height, { timestampUs });
}

/** The largest difference between the colour bytes of two pictures of 4-byte pixels. */
export function largestDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    if (i % 4 !== 3) largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
  }
  return largest;
}

/** Peak signal-to-noise ratio in dB over the colour bytes of two pictures of 4-byte pixels. */
export function psnr(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 !== 3) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return 10 * Math.log10((255 ** 2 * a.length * 0.75) / sum);
}

/** The same over all samples, of planes; infinite where they are equal, and less than any where sizes differ. */
export function samplePsnr(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return 10 * Math.log10((255 ** 2 * a.length) / sum);
}

/** What tells two pictures apart: element by element, a test runner compares them for seconds. */
export function hashOf(data: Uint8Array | Uint8ClampedArray): string {
  return createHash('sha1').update(data).digest('hex');
}
