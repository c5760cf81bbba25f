import { checkFrame } from '../../frame/check.js';
import { type ColourSpace, type PlanarFrame, type PlaneLayout, type Size, sameSize } from '../../frame/frame.js';
import { fitInside, withBlackBars } from '../../frame/letterbox.js';
import { planeSizes, tightLayout, tightLength } from '../../frame/planes.js';
import type { VideoScaler } from './codec.js';
import { checkSize } from './limits.js';
import { toI420 } from './to-i420.js';

/** What each sample of a resampled line is made of. */
interface Taps {
  readonly count: number;
  /** The first source sample of each. */
  readonly first: Int32Array;
  /** `count` weights for each; they add up to 1. */
  readonly weights: Float32Array;
}

/** Keys' cubic (1981) with a = -0.6, which is swscale's. */
function cubic(distance: number): number {
  const a = -0.6;
  const t = Math.abs(distance);
  if (t < 1) return (a + 2) * t ** 3 - (a + 3) * t ** 2 + 1;
  if (t < 2) return a * (t ** 3 - 5 * t ** 2 + 8 * t - 4);
  return 0;
}

function tapsOf(from: number, to: number): Taps {
  const ratio = from / to;
  // A kernel as wide as the samples are far apart: less would let through what the new size cannot show.
  const reach = Math.max(1, ratio);
  const count = 2 * Math.ceil(2 * reach) + 1;
  const first = new Int32Array(to);
  const weights = new Float32Array(to * count);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * ratio - 0.5;
    const start = Math.ceil(centre - 2 * reach);
    first[i] = start;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) sum += cubic((start + tap - centre) / reach);
    for (let tap = 0; tap < count; tap++) weights[i * count + tap] = cubic((start + tap - centre) / reach) / sum;
  }
  return { count, first, weights };
}

/** A plane at another size. */
function resample(source: Uint8Array, { offset, stride }: PlaneLayout, from: Size, to: Size): Uint8ClampedArray {
  const across = tapsOf(from.width, to.width);
  const down = tapsOf(from.height, to.height);
  const wide = new Float32Array(from.height * to.width);
  for (let y = 0; y < from.height; y++) {
    for (let x = 0; x < to.width; x++) {
      let sum = 0;
      for (let tap = 0; tap < across.count; tap++) {
        const at = Math.min(Math.max((across.first[x] as number) + tap, 0), from.width - 1);
        sum += (across.weights[x * across.count + tap] as number) * (source[offset + y * stride + at] as number);
      }
      wide[y * to.width + x] = sum;
    }
  }
  const result = new Uint8ClampedArray(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    for (let x = 0; x < to.width; x++) {
      let sum = 0;
      for (let tap = 0; tap < down.count; tap++) {
        const at = Math.min(Math.max((down.first[y] as number) + tap, 0), from.height - 1);
        sum += (down.weights[y * down.count + tap] as number) * (wide[at * to.width + x] as number);
      }
      result[y * to.width + x] = sum;
    }
  }
  return result;
}

/** Cubic interpolation in TypeScript, for backends without a scaler. Right, and far slower than swscale. */
export class CubicScaler implements VideoScaler {
  /**
   * @param maxPixels of a scaled picture
   * @param rgbAs how R'G'B' frames are turned into I420
   */
  constructor(
    readonly maxPixels: number,
    readonly rgbAs: ColourSpace,
  ) {}

  scale(frame: PlanarFrame, size: Size): PlanarFrame {
    checkFrame(frame);
    checkSize(size, this.maxPixels, 'size');
    const yuv = frame.format === 'I420' || frame.format === 'NV12';
    const source = toI420(frame, yuv ? frame.colourSpace : this.rgbAs);
    if (sameSize(source, size)) return source;
    const area = fitInside(source, size);
    const data = new Uint8Array(tightLength('I420', area));
    const planes = tightLayout('I420', area);
    const to = planeSizes('I420', area);
    for (const [i, { bytes: width, rows: height }] of planeSizes('I420', source).entries()) {
      const target = { width: to[i]?.bytes ?? 0, height: to[i]?.rows ?? 0 };
      const plane = resample(source.data, source.planes[i] as PlaneLayout, { width, height }, target);
      data.set(plane, planes[i]?.offset ?? 0);
    }
    const scaled: PlanarFrame = { ...source, width: area.width, height: area.height, data, planes };
    return sameSize(area, size) ? scaled : withBlackBars(scaled, area, size);
  }

  /** There is nothing to free. */
  dispose(): void {}
}
