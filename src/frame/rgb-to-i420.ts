import { yuvToRgb } from './colour.js';
import type { ColourSpace, Size } from './frame.js';

/** Fraction bits of the fixed-point weights. Sums of three stay below 2^31. */
const BITS = 16;

/**
 * Converts R'G'B' pixels of 4 bytes into I420 planes without gaps, to the nearest level. A chroma sample is the mean of
 * its 2x2 pixels.
 * @param rgb rows of R, G, B and a byte that is not looked at, `stride` bytes from row to row
 * @param target receives `tightLength('I420', size)` bytes
 */
export function rgbToI420(
  rgb: Uint8Array,
  stride: number,
  { width, height }: Size,
  space: ColourSpace,
  target: Uint8Array,
): void {
  const { lumaOffset, luma, redFromCr, blueFromCb } = yuvToRgb(space);
  const chromaRange = space.fullRange ? 255 : 224;
  const kr = 1 - (redFromCr * chromaRange) / 2;
  const kb = 1 - (blueFromCb * chromaRange) / 2;
  const kg = 1 - kr - kb;
  const fixed = (value: number): number => Math.round(value * (1 << BITS));
  // From 0..255 to the range of the samples.
  const [yr, yg, yb] = [fixed(kr / luma / 255), fixed(kg / luma / 255), fixed(kb / luma / 255)];
  const [ur, ug] = [fixed(-kr / blueFromCb / 255), fixed(-kg / blueFromCb / 255)];
  const [vg, vb] = [fixed(-kg / redFromCr / 255), fixed(-kb / redFromCr / 255)];
  // The weights of a chroma sample add up to nothing, so that greys stay grey.
  const [ub, vr] = [-ur - ug, -vg - vb];
  const half = 1 << (BITS - 1);
  const lumaBias = (lumaOffset << BITS) + half;
  const chromaBias = (128 << BITS) + half;
  const chromaWidth = (width + 1) >> 1;
  let u = width * height;
  let v = u + chromaWidth * ((height + 1) >> 1);
  for (let y = 0; y < height; y += 2) {
    const top = y * stride;
    // The last row or column of an odd size is its own neighbour.
    const bottom = y + 1 < height ? top + stride : top;
    const row = y * width;
    const below = y + 1 < height ? row + width : row;
    for (let x = 0; x < width; x += 2) {
      const right = x + 1 < width ? 4 : 0;
      const step = right >> 2;
      const a = top + 4 * x;
      const b = a + right;
      const c = bottom + 4 * x;
      const d = c + right;
      const [ar, ag, ab] = [rgb[a] as number, rgb[a + 1] as number, rgb[a + 2] as number];
      const [br, bg, bb] = [rgb[b] as number, rgb[b + 1] as number, rgb[b + 2] as number];
      const [cr, cg, cb] = [rgb[c] as number, rgb[c + 1] as number, rgb[c + 2] as number];
      const [dr, dg, db] = [rgb[d] as number, rgb[d + 1] as number, rgb[d + 2] as number];
      target[row + x] = (yr * ar + yg * ag + yb * ab + lumaBias) >> BITS;
      target[row + x + step] = (yr * br + yg * bg + yb * bb + lumaBias) >> BITS;
      target[below + x] = (yr * cr + yg * cg + yb * cb + lumaBias) >> BITS;
      target[below + x + step] = (yr * dr + yg * dg + yb * db + lumaBias) >> BITS;
      const red = (ar + br + cr + dr) / 4;
      const green = (ag + bg + cg + dg) / 4;
      const blue = (ab + bb + cb + db) / 4;
      target[u++] = clamp8((ur * red + ug * green + ub * blue + chromaBias) >> BITS);
      target[v++] = clamp8((vr * red + vg * green + vb * blue + chromaBias) >> BITS);
    }
  }
}

/** In full range a pure colour's chroma is half a level beyond the last one. */
function clamp8(value: number): number {
  return value > 255 ? 255 : value < 0 ? 0 : value;
}
