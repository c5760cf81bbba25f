import { expect } from 'vitest';
import { fuzz, MOST_GROWN_BYTES } from './fuzz.js';
import type { FuzzTarget } from './target.js';

/** Inputs of each target in the test suite. `npm run fuzz` gives it a million, and looks at how long each takes. */
const INPUTS = 5_000;
/** An input that takes longer hangs. */
const HANGS_MS = 10_000;

/** Expects that no malformed input makes a target throw, and that nothing is kept of them. */
export async function expectWithstands(target: FuzzTarget): Promise<void> {
  try {
    const { slowestMs, slowest, grownBytes } = await fuzz(target, INPUTS, 1);
    expect(slowestMs, slowest).toBeLessThan(HANGS_MS);
    expect(grownBytes).toBeLessThan(MOST_GROWN_BYTES);
  } finally {
    target.dispose?.();
  }
}
