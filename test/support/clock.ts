import type { Clock } from '../../src/pipeline/clock.js';

/** A clock that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Goes on to a time, running what falls due on the way. */
  to(ms: number): void {
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= ms).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = ms;
  }
}
