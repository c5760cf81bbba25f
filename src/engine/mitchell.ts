import type { Size } from '../frame/frame.js';
import type { Rect } from './engine.js';

/**
 * Mitchell and Netravali's cubic (1988) with B = C = 1/3, over four samples. By it Chromium's canvas, where a GPU draws
 * it, enlarges at `imageSmoothingQuality = 'high'`, so that pixels made here are the fast scaler's to a level. Firefox's
 * canvas interpolates linearly whatever it is asked for, and so does Chromium's for a VideoFrame where there is no GPU:
 * less than a level away in the mean, and a dozen levels at hard edges.
 */
export function mitchell(distance: number): number {
  const t = Math.abs(distance);
  if (t < 1) return (7 * t ** 3 - 12 * t ** 2 + 16 / 3) / 6;
  if (t < 2) return ((-7 / 3) * t ** 3 + 12 * t ** 2 - 20 * t + 32 / 3) / 6;
  return 0;
}

/** What output pixel number `n * scale + phase` is made of. */
interface Phase {
  /** The first of four source pixels, counted from `n`. */
  readonly first: number;
  readonly weights: readonly [number, number, number, number];
}

function phasesOf(scale: number): readonly Phase[] {
  return Array.from({ length: scale }, (_, phase) => {
    // Pixels are squares: centres lie at halves.
    const at = (phase + 0.5) / scale - 0.5;
    const first = Math.floor(at) - 1;
    const weight = (tap: number): number => mitchell(at - first - tap);
    return { first, weights: [weight(0), weight(1), weight(2), weight(3)] };
  });
}

/**
 * Enlarges pieces of packed pictures of one size. Beyond the picture its edge goes on. A pixel's value does not depend on
 * the piece it is made in.
 */
export class Resampler {
  readonly #phases: readonly Phase[];
  /** Source rows `n` at output width, in line `n & 3`: four in a row never share one. */
  readonly #lines: readonly Float32Array[];
  readonly #held = [-1, -1, -1, -1];
  readonly #source: Float32Array;
  readonly #row: Float32Array;

  /** @param picture packed pictures, in their pixels */
  constructor(
    readonly picture: Size,
    readonly scale: number,
  ) {
    const longest = 3 * picture.width * scale;
    this.#phases = phasesOf(scale);
    this.#lines = this.#held.map(() => new Float32Array(longest));
    this.#source = new Float32Array(picture.width + 4);
    this.#row = new Float32Array(longest);
  }

  /** Bytes of the buffers that are kept. */
  get bytes(): number {
    return 5 * this.#row.byteLength + this.#source.byteLength;
  }

  /**
   * Makes a piece of the enlarged picture, row by row.
   * @param frame `[3, height, width]`
   * @param region in output pixels
   * @param use takes output row number `y`: `[3, region.width]`, around 0..1, gone when it returns
   */
  rows(frame: Float32Array, region: Rect, use: (row: Float32Array, y: number) => void): void {
    const { scale } = this;
    const row = this.#row;
    const length = 3 * region.width;
    this.#held.fill(-1);
    for (let y = region.y; y < region.y + region.height; y++) {
      const { first, weights } = this.#phases[y % scale] as Phase;
      const [a, b, c, d] = weights;
      const top = Math.floor(y / scale) + first;
      const line0 = this.#line(frame, top, region);
      const line1 = this.#line(frame, top + 1, region);
      const line2 = this.#line(frame, top + 2, region);
      const line3 = this.#line(frame, top + 3, region);
      for (let i = 0; i < length; i++) {
        row[i] =
          a * (line0[i] as number) + b * (line1[i] as number) + c * (line2[i] as number) + d * (line3[i] as number);
      }
      use(row, y);
    }
  }

  /** A source row at output width: `[3, region.width]`. */
  #line(frame: Float32Array, y: number, { x, width }: Rect): Float32Array {
    const { scale, picture } = this;
    const source = this.#source;
    const row = Math.max(0, Math.min(y, picture.height - 1));
    const line = this.#lines[row & 3] as Float32Array;
    if (this.#held[row & 3] === row) return line;
    this.#held[row & 3] = row;
    const left = Math.floor(x / scale) - 2;
    const count = Math.floor((x + width - 1) / scale) + 3 - left;
    for (let channel = 0; channel < 3; channel++) {
      const start = (channel * picture.height + row) * picture.width;
      for (let i = 0; i < count; i++) {
        source[i] = frame[start + Math.max(0, Math.min(left + i, picture.width - 1))] as number;
      }
      for (let phase = 0; phase < scale; phase++) {
        const { first, weights } = this.#phases[phase] as Phase;
        const [a, b, c, d] = weights;
        // The first pixel of this phase in the region.
        const begin = (phase - (x % scale) + scale) % scale;
        const end = (channel + 1) * width;
        let at = Math.floor((x + begin) / scale) + first - left;
        for (let i = channel * width + begin; i < end; i += scale, at++) {
          line[i] =
            a * (source[at] as number) +
            b * (source[at + 1] as number) +
            c * (source[at + 2] as number) +
            d * (source[at + 3] as number);
        }
      }
    }
    return line;
  }
}
