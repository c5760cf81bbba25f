import { type Size, sameSize } from '../frame/frame.js';
import { realClock } from '../pipeline/clock.js';
import { shownAs } from './frame-shape.js';
import { FastScaler } from './scaler.js';

/** The one size of a stream's output, and how frames are brought to it. */
export class OutputSize {
  #size: Size | undefined;
  #scaler: FastScaler | undefined;

  /** @param scaled told how many milliseconds the enlarging of a frame took */
  constructor(readonly scaled: (ms: number) => void) {}

  get size(): Size | undefined {
    return this.#size;
  }

  /** The size is decided once: by the first who asks. */
  fix(size: Size): Size {
    this.#size ??= size;
    return this.#size;
  }

  /**
   * A frame in the output's size. Owns the one that is given.
   * @param plain whether its own pixels must do, for the display to enlarge; they do, too, where there is no canvas
   * @throws where the browser cannot make a frame of it
   */
  fit(frame: VideoFrame, plain: boolean): { readonly frame: VideoFrame; readonly plain: boolean } {
    const { displayWidth: width, displayHeight: height } = frame;
    const target = this.fix({ width, height });
    if (sameSize({ width, height }, target)) return { frame, plain };
    try {
      const enlarged = plain ? undefined : this.#enlarge(frame, target);
      return { frame: enlarged ?? shownAs(frame, target), plain: !enlarged };
    } finally {
      frame.close();
    }
  }

  #enlarge(frame: VideoFrame, target: Size): VideoFrame | undefined {
    const start = realClock.now();
    try {
      this.#scaler ??= new FastScaler(target);
      return this.#scaler.draw(frame);
    } catch {
      this.#scaler = undefined;
      return undefined;
    } finally {
      this.scaled(realClock.now() - start);
    }
  }
}
