import type { Impair } from '../../src/server/rtc/transport.js';

/** A bad network, the same one every time. */
export interface Impairment {
  readonly impair: Impair;
  readonly lost: number;
  stop(): void;
}

/** Loses, reorders and delays datagrams that come in; those of DTLS and STUN go through, because setting up is not what is tested. */
export function impairment(options: { seed: number; loss: number; reorder: number; jitterMs: number }): Impairment {
  let state = options.seed;
  const random = (): number => {
    // Numerical Recipes' generator.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  let lost = 0;
  let stopped = false;
  let lastDueMs = 0;
  return {
    get lost() {
      return lost;
    },
    stop: () => {
      stopped = true;
    },
    impair: (data, deliver) => {
      if (stopped || (data[0] ?? 0) < 128) return deliver();
      if (random() < options.loss) {
        lost++;
        return;
      }
      const now = performance.now();
      const overtaken = random() < options.reorder;
      // Jitter alone keeps the order; what is overtaken comes later still.
      lastDueMs = Math.max(lastDueMs, now + random() * options.jitterMs);
      const dueMs = overtaken ? lastDueMs + random() * options.jitterMs : lastDueMs;
      setTimeout(deliver, dueMs - now);
    },
  };
}
