import { type Size, sameSize } from '../frame/frame.js';
import { realClock } from '../pipeline/clock.js';
import type { FrameKind, OwnedFrame, Scaler } from './frame-kind.js';

/** What a scaler's first frames take is the compiler's time, too. */
const UNTOLD = 3;

/** The size of a stream's output, and how frames are brought to it. */
export class OutputSize<F extends OwnedFrame> {
  #size: Size | undefined;
  #scaler: Scaler<F> | undefined;
  #drawn = 0;

  /** @param scaled told how many milliseconds the enlarging of a frame took */
  constructor(
    readonly kind: FrameKind<F>,
    readonly scaled: (ms: number) => void,
  ) {}

  get size(): Size | undefined {
    return this.#size;
  }

  /** The size from now on. */
  fix(size: Size): void {
    if (this.#size && sameSize(this.#size, size)) return;
    this.#size = size;
    this.dispose();
  }

  /**
   * A frame in the output's size. Owns the one that is given.
   * @param plain whether its own pixels must do, for the display to enlarge; they do, too, where nothing can resample
   * @throws where the platform cannot make a frame of it
   */
  fit(frame: F, plain: boolean): { readonly frame: F; readonly plain: boolean } {
    const { display } = this.kind.shapeOf(frame);
    const target = this.#size ?? display;
    if (sameSize(display, target)) return { frame, plain };
    try {
      const enlarged = plain ? undefined : this.#enlarge(frame, target);
      return { frame: enlarged ?? this.kind.shownAs(frame, target), plain: !enlarged };
    } finally {
      frame.close();
    }
  }

  dispose(): void {
    this.#scaler?.dispose();
    this.#scaler = undefined;
    this.#drawn = 0;
  }

  #enlarge(frame: F, target: Size): F | undefined {
    const start = realClock.now();
    try {
      this.#scaler ??= this.kind.openScaler(target);
      return this.#scaler.draw(frame);
    } catch {
      this.dispose();
      return undefined;
    } finally {
      if (this.#drawn++ >= UNTOLD) this.scaled(realClock.now() - start);
    }
  }
}
