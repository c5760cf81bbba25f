/** Time, handed in so that policy can be tested without waiting. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls back once after `ms`; the function that is returned cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** The real time. */
export const realClock: Clock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    // A longer time than timers can count would be over at once.
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
