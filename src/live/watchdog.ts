import type { Clock } from '../pipeline/clock.js';

/** What a worker is asked for. */
export type CallKind = 'prepare' | 'frame' | 'flush';

/** A frame may take this many times as long as the longest of late, in milliseconds within these bounds. */
const PATIENCE = { times: 8, least: 400, most: 20_000 } as const;
/** Each frame that is quicker than the longest makes that one count less. */
const FADING = 0.98;
/** Starting a network takes its time; a worker that does may be asked whether it lives every so often. */
const PREPARE_MS = 10_000;
/** A worker that lives, but does not end a frame in so many times what it may take, waits for something that never comes. */
const STUCK = { times: 10, leastMs: 15_000 } as const;
/** A worker between two runs answers at once; after this long without an answer it hangs. */
const ANSWER_MS = 300;

/**
 * Finds out that a worker hangs, or has gone without a word. A call that takes much longer than usual is a suspicion: the
 * worker is asked for a sign of life, and given up when none comes. A machine that stalls as a whole hears the sign first.
 */
export class Watchdog {
  #longestMs = 0;
  #preparing = 0;
  #heard = 0;

  /**
   * @param ask asks the worker for a sign of life
   * @param hung called with a sentence when none came
   */
  constructor(
    readonly clock: Clock,
    readonly ask: () => void,
    readonly hung: (reason: string) => void,
  ) {}

  /** The worker said something. */
  heard(): void {
    this.#heard++;
  }

  /** A frame is known to take so long, in milliseconds. */
  learn(frameMs: number): void {
    this.#longestMs = Math.max(frameMs, this.#longestMs * FADING);
  }

  /** A new worker: nothing is known of it. */
  forget(): void {
    this.#longestMs = 0;
  }

  /** Watches a call; what is returned ends that. */
  watch(kind: CallKind): () => void {
    const begunMs = this.clock.now();
    let cancel: () => void = () => undefined;
    const wait = (): void => {
      cancel = this.clock.after(this.#limit(kind), suspect);
    };
    const suspect = (): void => {
      const before = this.#heard;
      this.ask();
      cancel = this.clock.after(this.#preparing > 0 ? PREPARE_MS : ANSWER_MS, () => {
        const forMs = this.clock.now() - begunMs;
        const stuck = kind !== 'prepare' && forMs > STUCK.times * this.#limit(kind) && forMs > STUCK.leastMs;
        if (this.#heard !== before && !stuck) wait();
        else this.hung(`The engine worker has not answered for ${Math.round(this.clock.now() - begunMs)} ms.`);
      });
    };
    if (kind === 'prepare') this.#preparing++;
    wait();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      cancel();
      if (kind === 'prepare') this.#preparing--;
      else if (kind === 'frame') this.learn(this.clock.now() - begunMs);
    };
  }

  #limit(kind: CallKind): number {
    if (kind === 'prepare') return PREPARE_MS;
    return Math.min(PATIENCE.most, Math.max(PATIENCE.least, this.#longestMs * PATIENCE.times));
  }
}
