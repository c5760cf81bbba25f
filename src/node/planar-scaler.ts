import { mitchell } from '../engine/mitchell.js';
import { packRgb } from '../frame/colour.js';
import type { PlanarFrame, Size } from '../frame/frame.js';
import { rgbx } from '../frame/rgbx.js';

/** Of each sample along a side, the source samples it is made of. */
interface Taps {
  readonly count: number;
  /** `[length * count]` */
  readonly at: Int32Array;
  readonly weights: Float32Array;
}

/** Enlarges frames in memory to one size, where no library is at hand that can: separable, in R'G'B'. */
export class PlanarScaler {
  #source: Size | undefined;
  #columns: Taps | undefined;
  #rows: Taps | undefined;
  #rgb = new Float32Array(0);
  #wide = new Float32Array(0);

  /** @param filter `mitchell`: the fast scaler's; `nearest`: repeats pixels, for next to nothing */
  constructor(
    readonly size: Size,
    readonly filter: 'mitchell' | 'nearest',
  ) {}

  /** The picture in the scaler's size, `RGBX`. Keeps the aspect, with black bars where it differs. */
  scale(frame: PlanarFrame): PlanarFrame {
    const { width, height } = frame;
    const zoom = Math.min(this.size.width / width, this.size.height / height);
    const drawn = { width: Math.round(width * zoom), height: Math.round(height * zoom) };
    const { columns, rows } = this.#tapsFor({ width, height }, drawn);
    const rgb = this.#rgb;
    const wide = this.#wide;
    packRgb(frame, rgb, width, height);
    for (let row = 0; row < 3 * height; row++) {
      const from = row * width;
      const to = row * drawn.width;
      for (let x = 0, tap = 0; x < drawn.width; x++) {
        let sum = 0;
        for (let i = 0; i < columns.count; i++, tap++) {
          sum += (columns.weights[tap] as number) * (rgb[from + (columns.at[tap] as number)] as number);
        }
        wide[to + x] = sum;
      }
    }
    const out = new Uint8ClampedArray(this.size.width * this.size.height * 4).fill(255);
    if (drawn.width < this.size.width || drawn.height < this.size.height) blacken(out);
    const left = (this.size.width - drawn.width) >> 1;
    const top = (this.size.height - drawn.height) >> 1;
    for (let y = 0; y < drawn.height; y++) {
      for (let channel = 0; channel < 3; channel++) {
        const plane = channel * height * drawn.width;
        let write = ((top + y) * this.size.width + left) * 4 + channel;
        for (let x = 0; x < drawn.width; x++, write += 4) {
          let sum = 0;
          for (let i = 0, tap = y * rows.count; i < rows.count; i++, tap++) {
            sum += (rows.weights[tap] as number) * (wide[plane + (rows.at[tap] as number) * drawn.width + x] as number);
          }
          out[write] = sum * 255;
        }
      }
    }
    return rgbx(out, this.size.width, this.size.height, frame);
  }

  #tapsFor(source: Size, drawn: Size): { columns: Taps; rows: Taps } {
    if (
      !this.#columns ||
      !this.#rows ||
      this.#source?.width !== source.width ||
      this.#source.height !== source.height
    ) {
      this.#source = source;
      this.#columns = tapsOf(source.width, drawn.width, this.filter);
      this.#rows = tapsOf(source.height, drawn.height, this.filter);
      this.#rgb = new Float32Array(3 * source.width * source.height);
      this.#wide = new Float32Array(3 * drawn.width * source.height);
    }
    return { columns: this.#columns, rows: this.#rows };
  }
}

function tapsOf(from: number, to: number, filter: PlanarScaler['filter']): Taps {
  const ratio = from / to;
  // Made smaller, the filter has to be as wide as what it leaves out.
  const spread = Math.max(1, ratio);
  const count = filter === 'nearest' ? 1 : 2 * Math.ceil(2 * spread);
  const at = new Int32Array(to * count);
  const weights = new Float32Array(to * count);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * ratio - 0.5;
    const first = count === 1 ? Math.round(centre) : Math.floor(centre) + 1 - count / 2;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const weight = count === 1 ? 1 : mitchell((centre - first - tap) / spread);
      sum += weight;
      weights[i * count + tap] = weight;
      at[i * count + tap] = Math.max(0, Math.min(first + tap, from - 1));
    }
    for (let tap = 0; tap < count; tap++) weights[i * count + tap] = (weights[i * count + tap] as number) / sum;
  }
  return { count, at, weights };
}

function blacken(pixels: Uint8ClampedArray): void {
  const words = new Uint32Array(pixels.buffer);
  words.fill(new Uint32Array(Uint8Array.of(0, 0, 0, 255).buffer)[0] as number);
}
