import type { Picture } from './picture.js';

/** Bits behind the point of a fixed-point weight. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);
/** Samples that the cubic looks to each side. */
const SUPPORT = 2;

/** What each of the samples along a line is made of: `weights[i]` of the samples from `starts[i]` on. */
interface Taps {
  readonly starts: readonly number[];
  readonly weights: readonly Int32Array[];
}

/**
 * Resizes as Pillow's `Image.resize(size, Image.Resampling.BICUBIC)` does, byte for byte: the cubic of a = -0.5, widened
 * when it shrinks, weights in fixed point, and 8 bits between the passes.
 */
export function bicubic(picture: Picture, width: number, height: number): Picture {
  const wide = resample(picture.data, { outer: picture.height, from: picture.width, inner: 3 }, width);
  const data = resample(wide, { outer: 1, from: picture.height, inner: width * 3 }, height);
  return { width, height, data };
}

/** Resamples the middle axis of `[outer, from, inner]` to `to` samples. */
function resample(
  source: Uint8Array,
  { outer, from, inner }: { readonly outer: number; readonly from: number; readonly inner: number },
  to: number,
): Uint8Array {
  const { starts, weights } = tapsOf(from, to);
  const out = new Uint8ClampedArray(outer * to * inner);
  let write = 0;
  for (let line = 0; line < outer; line++) {
    for (let position = 0; position < to; position++) {
      const first = (line * from + (starts[position] as number)) * inner;
      const taps = weights[position] as Int32Array;
      for (let i = 0; i < inner; i++, write++) {
        let sum = HALF;
        for (let k = 0; k < taps.length; k++) {
          sum += (source[first + k * inner + i] as number) * (taps[k] as number);
        }
        out[write] = sum >> PRECISION;
      }
    }
  }
  return new Uint8Array(out.buffer);
}

function tapsOf(from: number, to: number): Taps {
  const scale = from / to;
  const widened = Math.max(scale, 1);
  const support = SUPPORT * widened;
  const starts: number[] = [];
  const weights = Array.from({ length: to }, (_, position) => {
    const centre = (position + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    starts.push(start);
    const exact = Array.from({ length: end - start }, (_, k) => cubic((start + k - centre + 0.5) / widened));
    const sum = exact.reduce((total, weight) => total + weight, 0);
    return Int32Array.from(exact, (weight) => {
      const fixed = (weight / sum) * 2 ** PRECISION;
      return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
  });
  return { starts, weights };
}

/** Keys' cubic with a = -0.5. */
function cubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
