import type { Store } from '../../model/cache.js';
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

/** What an adapter says it is, as `GPUAdapterInfo` has it. */
export interface AdapterIdentity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}

const MOST_BYTES = 64;

/** Under which a tuning is remembered. What is best differs by precision, because registers hold twice as many halves. */
export function tuningKey(adapter: AdapterIdentity, precision: Precision): string {
  const { vendor, architecture, device, description } = adapter;
  const what = [CANDIDATES_VERSION, precision, vendor, architecture, device, description];
  return `tuning-${encodeURIComponent(JSON.stringify(what))}`;
}

/** The tuning found for this adapter before. Nothing where there is none, it is not of our list or the store fails. */
export async function rememberedTuning(
  store: Pick<Store, 'get'>,
  adapter: AdapterIdentity,
  precision: Precision,
): Promise<Tuning | undefined> {
  try {
    const entry = new TextDecoder().decode(await store.get(tuningKey(adapter, precision), MOST_BYTES));
    // Only what is on the list is ever used: anybody on the page's origin may have written there.
    return CANDIDATES.find((candidate) => tuningText(candidate) === entry);
  } catch {
    return undefined;
  }
}

/** Remembers a tuning for this adapter. A store that is full or forbidden is passed over: the search is run again then. */
export async function rememberTuning(
  store: Pick<Store, 'put'>,
  adapter: AdapterIdentity,
  precision: Precision,
  tuning: Tuning,
): Promise<void> {
  await store.put(tuningKey(adapter, precision), new TextEncoder().encode(tuningText(tuning))).catch(() => undefined);
}

/** A tuning as a person reads it: `4 pixels x 16 channels, 8x8`. */
export function tuningText({ pixels, groups, workgroup }: Tuning): string {
  return `${pixels} pixel${pixels > 1 ? 's' : ''} x ${4 * groups} channels, ${workgroup.join('x')}`;
}
