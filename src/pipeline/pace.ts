import type { Clock } from './clock.js';
import { Medians } from './medians.js';

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
}
