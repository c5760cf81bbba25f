import type { Clock } from './clock.js';

/** Share of the newest tile in what a tile is expected to take. */
const NEWEST = 0.25;
/** With less than this many times the expected work left, work is watched tile by tile. */
const TIGHT = 2;

/**
 * The deadline inside a frame: whether there is time for one more tile. It learns what a tile takes from when it is asked.
 */
export class Pace {
  #tileMs = 0;
  #askedMs: number | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(readonly clock: Clock) {}

  /**
   * A frame's tiles begin.
   * @param dueMs when the last of them must be done
   */
  begin(dueMs: number): void {
    this.#dueMs = dueMs;
    this.#askedMs = undefined;
  }

  /** Whether the next tile can be done in time. Asked before each tile, and once after the last. */
  next(): boolean {
    const now = this.clock.now();
    if (this.#askedMs !== undefined) {
      const tookMs = now - this.#askedMs;
      this.#tileMs += (this.#tileMs === 0 ? 1 : NEWEST) * (tookMs - this.#tileMs);
    }
    this.#askedMs = now;
    return now + this.#tileMs <= this.#dueMs;
  }

  /** Whether `tiles` more of them may not all be done in time, so that it matters to know when each one is. */
  tight(tiles: number): boolean {
    return this.clock.now() + TIGHT * tiles * this.#tileMs > this.#dueMs;
  }
}
