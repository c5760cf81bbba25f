import type { Clock } from './clock.js';
import { Medians } from './medians.js';

/** With less than this many times the expected work left, work is watched tile by tile. */
const TIGHT = 2;
/** What a tile is thought to take fades by this much with each frame in which there was no time for one. */
const FADING = 0.98;

/**
 * The deadline inside a frame: whether there is time for one more tile. It learns what a tile takes from when it is asked; a
 * median, so that one that stalled is no reason.
 */
export class Pace {
  readonly #took = new Medians(5);
  #fading = 1;
  #begun = false;
  #askedMs: number | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(readonly clock: Clock) {}

  /** What a tile usually takes, in milliseconds. */
  get tileMs(): number {
    return this.#took.median ?? 0;
  }

  /**
   * A frame's tiles begin.
   * @param dueMs when the last of them must be done
   */
  begin(dueMs: number): void {
    this.#dueMs = dueMs;
    this.#askedMs = undefined;
    this.#begun = false;
  }

  /** Whether the next tile can be done in time. Asked before each tile, and once after the last. */
  next(): boolean {
    const now = this.clock.now();
    if (this.#askedMs !== undefined) {
      this.#took.add(now - this.#askedMs);
      this.#fading = 1;
    }
    this.#askedMs = now;
    const time = now + this.tileMs * this.#fading <= this.#dueMs;
    // Never tried, it would never be known to be quicker now.
    if (!time && !this.#begun) this.#fading *= FADING;
    this.#begun = true;
    return time;
  }

  /** Whether `tiles` more of them may not all be done in time, so that it matters to know when each one is. */
  tight(tiles: number): boolean {
    return this.clock.now() + TIGHT * tiles * this.tileMs > this.#dueMs;
  }
}
