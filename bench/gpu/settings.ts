import type { Size } from '../../src/frame/frame.js';
import { LEVELS } from './adapter.js';

/** What a run is to do. */
export interface RunSettings {
  readonly models: readonly string[];
  readonly sizes: readonly Size[];
  /** Search for a tuning even where one is remembered. */
  readonly again: boolean;
  /** Levels of WebGPU that an adapter is asked for at. */
  readonly levels: readonly string[];
  /** Tunings, and matrix products for the peak, that are tried at most: the first ones of their lists. */
  readonly tries: number;
  /** Rounds of either engine, for medians. */
  readonly rounds: number;
  /** What one engine is measured for in a round, about. */
  readonly roundMs: number;
}

/** In the place of a network: attention alone, as one of them has it. */
export const ATTENTION = 'attention';
const MODELS: readonly string[] = ['mana-nano-x2', 'mana-live-x2', ATTENTION];
const MOST_SIDE = 4096;

/**
 * Reads what the page's address asks for: `?models=mana-nano-x2&sizes=64x48&rounds=3&roundMs=1`. Software adapters take
 * sizes that no visitor would choose.
 * @throws Error with a sentence that says what is wrong
 */
export function settingsOf(query: URLSearchParams): Partial<RunSettings> {
  const list = (name: string): string[] | undefined => query.get(name)?.split(',');
  const models = list('models');
  const unknown = models?.find((model) => !MODELS.includes(model));
  if (unknown !== undefined) throw new Error(`There is no network ${unknown} here; there are ${MODELS.join(', ')}.`);
  const levels = list('levels');
  if (levels?.some((level) => !(LEVELS as readonly string[]).includes(level))) {
    throw new Error(`levels are of ${LEVELS.join(' and ')}, not ${levels}.`);
  }
  const sizes = list('sizes')?.map(sizeOf);
  return {
    ...(models ? { models } : {}),
    ...(levels ? { levels } : {}),
    ...(sizes ? { sizes } : {}),
    ...natural(query, 'tries', 100),
    ...natural(query, 'rounds', 100),
    ...natural(query, 'roundMs', 10_000),
  };
}

/**
 * Reads `160x90`.
 * @throws Error with a sentence that says what is wrong
 */
export function sizeOf(text: string): Size {
  const [, width, height] = /^(\d{1,4})x(\d{1,4})$/.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  const valid = [size.width, size.height].every((side) => side >= 1 && side <= MOST_SIDE);
  if (!valid) throw new Error(`A size looks like 160x90, not ${text}.`);
  return size;
}

function natural<Name extends string>(query: URLSearchParams, name: Name, most: number): { [name in Name]?: number } {
  const text = query.get(name);
  if (text === null) return {};
  const number = Number(text);
  if (!(Number.isInteger(number) && number >= 1 && number <= most)) {
    throw new Error(`${name} is a whole number from 1 to ${most}, not ${text}.`);
  }
  return { [name]: number } as { [name in Name]?: number };
}
