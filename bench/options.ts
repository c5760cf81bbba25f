import { parseArgs } from 'node:util';
import type { Size } from '../src/frame/frame.js';
import { SHIPPED_MODELS, type ShippedModel } from '../src/model/registry.js';

export const USAGE = `npm run bench -- [options]
  --model nano|live    only this model (or several, with commas, mana-live-x4 too); default nano,live
  --size 160x90        only this source size (or several); default 160x90,320x180,640x360
  --threads 1,2        WASM threads; default 1,2
  --tile 30000         largest tile in source pixels, halo included; default as the engine chooses
  --quick              about a second a case, and no 640x360 unless asked for by --size
  --memory             memory instead of speed
  --json file          also write every figure to a file
  --help               this text`;

/** What is measured, and for how long. */
export interface BenchOptions {
  readonly models: readonly ShippedModel[];
  readonly sizes: readonly Size[];
  readonly threads: readonly number[];
  /** Largest tile in source pixels, or as the engine chooses. */
  readonly tile: number | undefined;
  readonly quick: boolean;
  readonly memory: boolean;
  readonly json: string | undefined;
}

/**
 * Reads the command line.
 * @returns nothing when help was asked for
 * @throws Error with a sentence that says what is wrong
 */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string' },
      size: { type: 'string' },
      threads: { type: 'string' },
      tile: { type: 'string' },
      quick: { type: 'boolean', default: false },
      memory: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, memory, json } = values;
  return {
    models: (values.model ?? 'nano,live').split(',').map(modelOf),
    sizes: (values.size ?? (quick ? '160x90,320x180' : '160x90,320x180,640x360')).split(',').map(sizeOf),
    threads: (values.threads ?? '1,2').split(',').map((text) => natural('--threads', text)),
    tile: values.tile === undefined ? undefined : natural('--tile', values.tile),
    quick,
    memory,
    json,
  };
}

function modelOf(text: string): ShippedModel {
  const model = SHIPPED_MODELS.find((name) => name === text || name === `mana-${text}-x2`);
  if (!model) throw new Error(`--model must be one of nano, live, ${SHIPPED_MODELS.join(', ')}, not ${text}.`);
  return model;
}

function sizeOf(text: string): Size {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  if (!width || !height) throw new Error(`--size must look like 160x90, not ${text}.`);
  // The bench's frames are I420.
  if (Number(width) % 2 || Number(height) % 2) throw new Error(`--size must be even, not ${text}.`);
  return { width: Number(width), height: Number(height) };
}

function natural(option: string, text: string): number {
  const number = Number(text);
  if (!(Number.isInteger(number) && number > 0)) throw new Error(`${option} must be a whole number, not ${text}.`);
  return number;
}
