import { PLANNED } from './fit.js';
import { Medians } from './medians.js';

/** After scaling was too slow it is tried again after this long, doubled each time. */
const HOLD_MS = { first: 4_000, most: 60_000 } as const;
/** Costs that must be known before something is decided by them. */
const ENOUGH = 3;

/** Whether the platform's resampling has the time it needs, or the source's own pixels have to do. Pure. */
export class ScalingCost {
  readonly #costs = new Medians(9);
  readonly #spent = new Medians(9);
  #holdMs: number = HOLD_MS.first;

  /** Milliseconds that enlarging a frame takes, and what is done with it then; 0 until that is known. */
  get costMs(): number {
    return this.#costs.count < ENOUGH ? 0 : (this.#costs.median ?? 0) + (this.#spent.median ?? 0);
  }

  add(ms: number): void {
    this.#costs.add(ms);
  }

  /** What came after the enlarging of a frame took so long. */
  spent(ms: number): void {
    this.#spent.add(ms);
  }

  clear(): void {
    this.#costs.clear();
    this.#spent.clear();
  }

  /** Puts the next try off. @returns by how many milliseconds */
  putOff(): number {
    this.#holdMs = Math.min(this.#holdMs * 2, HOLD_MS.most);
    return this.#holdMs;
  }

  /** Whether it takes too long; if so, the next try is put off. */
  tooSlow(intervalMs: number): boolean {
    const slow = this.costMs > PLANNED * intervalMs;
    if (slow) this.putOff();
    return slow;
  }

  /** Whether it may be tried again, so long after it was left. */
  mayTry(sinceMs: number): boolean {
    return sinceMs >= this.#holdMs;
  }
}
