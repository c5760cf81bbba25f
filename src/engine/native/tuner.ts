import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Tuning } from './conv.js';
import { CANDIDATES } from './tunings.js';

/** A candidate that took longer than this many times the best so far is not run again. */
const HOPELESS = 2;

/** Another than the first candidate is taken where it is faster by more than runs scatter. */
const CLEARLY = 0.95;

/** A tuning that can be run. */
export interface Trial {
  /** Does the same work each time. Answers with what it took, in milliseconds. */
  run(): Promise<number>;
  close(): Promise<void>;
}

/** What became of a candidate: `ms` is the median of its runs, not there where it did not run. */
export interface Tried {
  readonly tuning: Tuning;
  readonly ms: number | undefined;
}

/** Choices for {@link tune}. */
export interface TuneOptions {
  /** Prepares a candidate. May reject: an adapter need not be able to run every one. */
  readonly prepare: (tuning: Tuning) => Promise<Trial>;
  /** Default {@link CANDIDATES}. */
  readonly candidates?: readonly Tuning[];
  /** Runs whose median counts, after one more in which the adapter compiles. Default 3. */
  readonly runs?: number;
  /** Called after every candidate. */
  readonly onTried?: (tried: Tried, done: number, of: number) => void;
  /** Ends the search early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the fastest of some tunings by running them one after the other; the first one, unless another is clearly faster.
 * @throws UpscaleError `backend-unavailable` where none of them runs
 */
export async function tune(options: TuneOptions): Promise<{ readonly best: Tuning; readonly tried: readonly Tried[] }> {
  const { prepare, candidates = CANDIDATES, runs = 3, onTried, signal } = options;
  const tried: Tried[] = [];
  let best: { tuning: Tuning; ms: number } | undefined;
  let usual: { tuning: Tuning; ms: number } | undefined;
  let cause: unknown;
  for (const tuning of candidates) {
    signal?.throwIfAborted();
    let ms: number | undefined;
    try {
      ms = await time(await prepare(tuning), runs, (best?.ms ?? Number.POSITIVE_INFINITY) * HOPELESS);
    } catch (thrown) {
      cause = thrown;
    }
    if (ms !== undefined && !(ms >= (best?.ms ?? Number.POSITIVE_INFINITY))) best = { tuning, ms };
    if (tried.length === 0) usual = best;
    const result = { tuning, ms };
    tried.push(result);
    onTried?.(result, tried.length, candidates.length);
  }
  if (!best) {
    const sentence = `No tuning of our kernels runs on this adapter: ${reasonOf(cause)}`;
    throw new UpscaleError('backend-unavailable', sentence, { cause });
  }
  const kept = usual && best.ms > CLEARLY * usual.ms ? usual : best;
  return { best: kept.tuning, tried };
}

/** Median of some runs, or the first of them where that is beyond `most`. */
async function time(trial: Trial, runs: number, most: number): Promise<number> {
  try {
    await trial.run();
    const times: number[] = [];
    while (times.length < runs && !((times[0] ?? 0) > most)) times.push(await trial.run());
    return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.POSITIVE_INFINITY;
  } finally {
    await trial.close();
  }
}
