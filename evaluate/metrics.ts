import type { Picture } from './picture.js';

/** Pixels on each side of a picture that do not count. */
export const BORDER = 8;
/** What equal pictures get in dB, so that a mean over frames stays a number. */
export const MOST_DB = 100;
/** Y of BT.601 in 16..235, from R'G'B' in 0..255. */
const LUMA = [65.481 / 255, 128.553 / 255, 24.966 / 255] as const;

/** How far one or more frames are from the truth. The same definitions as in training/metrics.py. */
export interface Figures {
  /** PSNR of Y in dB. */
  readonly psnrY: number;
  /** SSIM of Y, as Wang et al. define it: Gaussian window of 11x11 and standard deviation 1.5. */
  readonly ssimY: number;
  /** PSNR over all three channels in dB. */
  readonly psnrRgb: number;
  /** SSIM of R', G' and B', their mean. */
  readonly ssimRgb: number;
  /** Mean absolute change of the error of Y from the frame before, in levels; NaN where no two frames follow each other. */
  readonly flicker: number;
}

/** A plane of numbers, row by row. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Float64Array;
}

/** Measures the frames of one sequence, in order. */
export class Meter {
  readonly #frames: Figures[] = [];
  #before: Plane | undefined;

  /** @throws RangeError when the pictures differ in size */
  add(truth: Picture, picture: Picture): void {
    if (truth.width !== picture.width || truth.height !== picture.height) {
      throw new RangeError(`A picture of ${picture.width}x${picture.height} is no ${truth.width}x${truth.height}.`);
    }
    const [expected, made] = [innerLuma(truth), innerLuma(picture)];
    const error = { ...expected, data: made.data.map((value, i) => value - (expected.data[i] as number)) };
    const before = this.#before;
    this.#frames.push({
      psnrY: psnr(meanOf(error.data, (value) => value * value)),
      ssimY: ssim(expected, made),
      psnrRgb: psnr(innerSquares(truth, picture)),
      ssimRgb: meanOf([0, 1, 2], (channel) => ssim(innerChannel(truth, channel), innerChannel(picture, channel))),
      flicker: before ? meanOf(error.data, (value, i) => Math.abs(value - (before.data[i] as number))) : Number.NaN,
    });
    this.#before = error;
  }

  /** Frames measured so far. */
  get count(): number {
    return this.#frames.length;
  }

  /** Means over all frames but `edge` at each end; of flicker, over the changes between these frames. */
  figures(edge: number): Figures {
    const frames = this.#frames.slice(edge, this.count - edge);
    if (!frames.length) throw new RangeError(`Of ${this.count} frames, none is left without ${edge} at each end.`);
    const changes = frames.slice(1).map(({ flicker }) => flicker);
    return { ...meanFigures(frames), flicker: meanOf(changes, (value) => value) };
  }
}

/** The mean of several figures, each counting once. */
export function meanFigures(figures: readonly Figures[]): Figures {
  const mean = (key: keyof Figures): number =>
    meanOf(
      figures.map((one) => one[key]),
      (value) => value,
    );
  return {
    psnrY: mean('psnrY'),
    ssimY: mean('ssimY'),
    psnrRgb: mean('psnrRgb'),
    ssimRgb: mean('ssimRgb'),
    flicker: mean('flicker'),
  };
}

/** Structural similarity of two planes of at least 11x11, in levels of 255: the mean over all whole windows. */
export function ssim(a: Plane, b: Plane): number {
  const product = (x: Plane, y: Plane): Plane => ({ ...x, data: x.data.map((v, i) => v * (y.data[i] as number)) });
  const [meanA, meanB, aa, bb, ab] = [a, b, product(a, a), product(b, b), product(a, b)].map(smooth) as [
    Plane,
    Plane,
    Plane,
    Plane,
    Plane,
  ];
  const c1 = (0.01 * 255) ** 2;
  const c2 = (0.03 * 255) ** 2;
  return meanOf(meanA.data, (mean, i) => {
    const other = meanB.data[i] as number;
    const variances = (aa.data[i] as number) - mean * mean + (bb.data[i] as number) - other * other;
    const covariance = (ab.data[i] as number) - mean * other;
    return ((2 * mean * other + c1) * (2 * covariance + c2)) / ((mean * mean + other * other + c1) * (variances + c2));
  });
}

/** dB of a mean squared error in levels of 255. */
function psnr(squared: number): number {
  return squared ? Math.min(MOST_DB, 10 * Math.log10(255 ** 2 / squared)) : MOST_DB;
}

function meanOf(values: ArrayLike<number>, of: (value: number, i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += of(values[i] as number, i);
  return sum / values.length;
}

/** A picture without its border, one number a pixel; `of` is given where the pixel's R is. */
function innerPlane({ width, height }: Picture, of: (at: number) => number): Plane {
  const inner = { width: width - 2 * BORDER, height: height - 2 * BORDER };
  const plane = new Float64Array(inner.width * inner.height);
  for (let y = 0, write = 0; y < inner.height; y++) {
    let read = ((y + BORDER) * width + BORDER) * 3;
    for (let x = 0; x < inner.width; x++, read += 3, write++) plane[write] = of(read);
  }
  return { ...inner, data: plane };
}

function innerLuma(picture: Picture): Plane {
  const { data } = picture;
  const level = (at: number): number => data[at] as number;
  return innerPlane(picture, (at) => 16 + level(at) * LUMA[0] + level(at + 1) * LUMA[1] + level(at + 2) * LUMA[2]);
}

function innerChannel(picture: Picture, channel: number): Plane {
  return innerPlane(picture, (at) => picture.data[at + channel] as number);
}

/** Mean squared difference over all channels, without the border. */
function innerSquares(a: Picture, b: Picture): number {
  const values = (a.width - 2 * BORDER) * 3;
  let sum = 0;
  for (let y = BORDER; y < a.height - BORDER; y++) {
    const row = (y * a.width + BORDER) * 3;
    for (let i = row; i < row + values; i++) sum += ((a.data[i] as number) - (b.data[i] as number)) ** 2;
  }
  return sum / (values * (a.height - 2 * BORDER));
}

const RADIUS = 5;
const TAPS = Array.from({ length: 2 * RADIUS + 1 }, (_, i) => Math.exp(-0.5 * ((i - RADIUS) / 1.5) ** 2));
const TAPS_SUM = TAPS.reduce((sum, tap) => sum + tap, 0);

/** Gaussian means; the result lacks 5 pixels on each side. */
function smooth(plane: Plane): Plane {
  return smoothRowsTurned(smoothRowsTurned(plane));
}

/** Gaussian means along the rows, columns and rows exchanged. */
function smoothRowsTurned({ width, height, data }: Plane): Plane {
  const length = width - 2 * RADIUS;
  const out = new Float64Array(length * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < length; x++) {
      let sum = 0;
      for (let k = 0; k < TAPS.length; k++) sum += (data[y * width + x + k] as number) * (TAPS[k] as number);
      out[x * height + y] = sum / TAPS_SUM;
    }
  }
  return { width: height, height: length, data: out };
}
