import { parseArgs } from 'node:util';
import type { MeasureOptions } from './measure.js';

export const USAGE = `npm run evaluate -- --vid4 FOLDER [options]
  --vid4 FOLDER        clips (the ffmpeg command decodes them) or folders of PNG frames: the truth
  --model mana-nano-x2 a folder of models/, or the path of another; default mana-nano-x2
  --lookahead 0..3     frames to see after each; default 3
  --tile 30000         largest tile in source pixels, halo included; default as the engine chooses
  --only walk,city     only these sequences
  --frames 12          read at most this many frames of each; default 100
  --threads 2          WASM threads; default 1
  --json file          also write every figure to a file
  --help               this text`;

/** What is measured. */
export interface EvaluateOptions extends MeasureOptions {
  readonly vid4: string;
  readonly model: string;
  /** Names of sequences, or all. */
  readonly only: readonly string[] | undefined;
  readonly threads: number;
  readonly json: string | undefined;
}

/**
 * Reads the command line.
 * @returns nothing when help was asked for
 * @throws Error with a sentence that says what is wrong
 */
export function parseOptions(args: readonly string[]): EvaluateOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      vid4: { type: 'string' },
      model: { type: 'string', default: 'mana-nano-x2' },
      lookahead: { type: 'string', default: '3' },
      tile: { type: 'string' },
      only: { type: 'string' },
      frames: { type: 'string', default: '100' },
      threads: { type: 'string', default: '1' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { vid4, model, only, json } = values;
  if (!vid4) throw new Error('--vid4 must name a folder of videos.');
  return {
    vid4,
    model,
    only: only?.split(','),
    lookahead: natural('--lookahead', values.lookahead, 0, 3),
    tile: values.tile === undefined ? undefined : natural('--tile', values.tile, 1),
    frames: natural('--frames', values.frames, 1),
    threads: natural('--threads', values.threads, 1),
    json,
  };
}

function natural(option: string, text: string, least: number, most = Number.POSITIVE_INFINITY): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  const range = most === Number.POSITIVE_INFINITY ? `from ${least} on` : `from ${least} to ${most}`;
  throw new Error(`${option} must be a whole number ${range}, not ${text}.`);
}
