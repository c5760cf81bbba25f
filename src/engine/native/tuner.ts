import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Precision, Tuning } from './conv.js';

/**
 * Tunings worth trying, the usual one first: a short list, because every one costs a visitor's time. More pixels and groups
 * read fewer weights and take more registers; which of the two runs short first is what GPUs differ in.
 */
export const CANDIDATES: readonly Tuning[] = [
  { pixels: 4, groups: 4, workgroup: [8, 8] },
  { pixels: 4, groups: 2, workgroup: [8, 8] },
  { pixels: 2, groups: 4, workgroup: [8, 8] },
  { pixels: 4, groups: 8, workgroup: [8, 8] },
  { pixels: 2, groups: 8, workgroup: [8, 8] },
  { pixels: 2, groups: 2, workgroup: [8, 8] },
  { pixels: 1, groups: 4, workgroup: [8, 8] },
  { pixels: 1, groups: 8, workgroup: [16, 8] },
  { pixels: 4, groups: 4, workgroup: [16, 4] },
  { pixels: 4, groups: 4, workgroup: [4, 8] },
  { pixels: 4, groups: 4, workgroup: [32, 1] },
  { pixels: 2, groups: 4, workgroup: [16, 8] },
];

/** Changes with {@link CANDIDATES} and with what kernels make of a tuning: what was found with others is found anew. */
export const CANDIDATES_VERSION = 1;

/** A candidate that took longer than this many times the best so far is not run again. */
const HOPELESS = 2;

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
 * Finds the fastest of some tunings by running them one after the other.
 * @throws UpscaleError `backend-unavailable` where none of them runs
 */
export async function tune(options: TuneOptions): Promise<{ readonly best: Tuning; readonly tried: readonly Tried[] }> {
  const { prepare, candidates = CANDIDATES, runs = 3, onTried, signal } = options;
  const tried: Tried[] = [];
  let best: { tuning: Tuning; ms: number } | undefined;
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
    const result = { tuning, ms };
    tried.push(result);
    onTried?.(result, tried.length, candidates.length);
  }
  if (!best) {
    const sentence = `No tuning of our kernels runs on this adapter: ${reasonOf(cause)}`;
    throw new UpscaleError('backend-unavailable', sentence, { cause });
  }
  return { best: best.tuning, tried };
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

/** What an adapter says it is, as `GPUAdapterInfo` has it. */
export interface AdapterIdentity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}

/** Where tunings are remembered: `localStorage` in a page. Workers have none. */
export interface TuningStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** Under which a tuning is remembered. What is best differs by precision, because registers hold twice as many halves. */
export function tuningKey(adapter: AdapterIdentity, precision: Precision): string {
  const { vendor, architecture, device, description } = adapter;
  return `mana-upscale tuning ${JSON.stringify([CANDIDATES_VERSION, precision, vendor, architecture, device, description])}`;
}

/** The tuning found for this adapter before. Nothing where there is none, it is not of our list or the store fails. */
export function rememberedTuning(
  store: TuningStore,
  adapter: AdapterIdentity,
  precision: Precision,
): Tuning | undefined {
  try {
    const entry = store.getItem(tuningKey(adapter, precision));
    // Only what is on the list is ever used: anybody on the page's origin may have written there.
    return CANDIDATES.find((candidate) => tuningText(candidate) === entry);
  } catch {
    return undefined;
  }
}

/** Remembers a tuning for this adapter. A store that is full or forbidden is passed over: the search is run again then. */
export function rememberTuning(
  store: TuningStore,
  adapter: AdapterIdentity,
  precision: Precision,
  tuning: Tuning,
): void {
  try {
    store.setItem(tuningKey(adapter, precision), tuningText(tuning));
  } catch {
    // See above.
  }
}

/** A tuning as a person reads it: `4 pixels x 16 channels, 8x8`. */
export function tuningText({ pixels, groups, workgroup }: Tuning): string {
  return `${pixels} pixel${pixels > 1 ? 's' : ''} x ${4 * groups} channels, ${workgroup.join('x')}`;
}
