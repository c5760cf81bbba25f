import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { StreamSettings } from '../live/protocol.js';
import { isShipped, isShippedScale, SHIPPED_MODELS, SHIPPED_SCALES, scaleOf } from '../model/registry.js';
import { OUTPUT_CODECS, type OutputCodec } from '../node/file/encoding.js';
import { FileError } from '../node/file/file-error.js';
import type { FileJob } from '../node/file/job.js';
import { checkNodeOptions, type NodeBackend } from '../node/options.js';
import type { InputOutput } from './inputs.js';

/** The flags of `file`, as they stand on the command line. */
export interface FileFlags {
  readonly output: string;
  readonly scale?: string;
  readonly model?: string;
  readonly backend?: string;
  readonly lookahead?: string;
  readonly threads?: string;
  readonly codec?: string;
  readonly crf?: string;
  readonly preset?: string;
  readonly from?: string;
  readonly to?: string;
  readonly maxPixels?: string;
  readonly segmentFrames?: string;
  readonly json?: boolean;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
}

/** Pictures of 4096 x 2304 are the largest unless more is asked for: at 4 GiB of memory. */
export const MOST_PIXELS = 4096 * 2304;
/** Ten to twenty seconds: what is lost when the machine is switched off. */
const SEGMENT_FRAMES = 400;

/** What an input is done with. @throws FileError, TypeError with a sentence that names the flag */
export function jobOf({ input, output }: InputOutput, flags: FileFlags): FileJob {
  const span = { fromUs: timeUs(flags.from, '--from'), toUs: timeUs(flags.to, '--to') };
  if (span.fromUs !== undefined && span.toUs !== undefined && span.toUs <= span.fromUs) {
    throw new FileError('usage', '--to must be later than --from.');
  }
  const settings = settingsOf(flags);
  const codec = flags.codec ?? (extname(output).toLowerCase() === '.webm' ? 'vp9' : 'h264');
  if (!(OUTPUT_CODECS as readonly string[]).includes(codec)) {
    throw new FileError('usage', `--codec must be one of ${OUTPUT_CODECS.join(', ')}.`);
  }
  return {
    input,
    output,
    settings,
    encoding: {
      codec: codec as OutputCodec,
      crf: numberOf(flags.crf, '--crf', 0, 63),
      preset: flags.preset,
      threads: settings.threads,
    },
    span,
    resume: flags.resume ?? false,
    overwrite: flags.overwrite ?? false,
    maxPixels: wholeOf(flags.maxPixels, '--max-pixels', 1, 16384 * 16384) ?? MOST_PIXELS,
    segmentFrames: wholeOf(flags.segmentFrames, '--segment-frames', 1, 1_000_000) ?? SEGMENT_FRAMES,
  };
}

/** How the network is run: nothing is left out, however long it takes. */
export function settingsOf(
  flags: Pick<FileFlags, 'scale' | 'model' | 'backend' | 'lookahead' | 'threads'>,
): StreamSettings {
  const named = flags.model;
  const scale = wholeOf(flags.scale, '--scale', 1, 16) ?? (isShipped(named) ? scaleOf(named) : 2);
  if (!isShippedScale(scale)) throw new FileError('usage', `--scale must be ${SHIPPED_SCALES.join(' or ')}.`);
  const model = named === undefined || named === 'auto' ? `mana-live-x${scale}` : named;
  if (!isShipped(model) && !existsSync(model) && !URL.canParse(model)) {
    const names = SHIPPED_MODELS.join(', ');
    throw new FileError('usage', `There is no model ${model}: --model takes ${names}, or a file or URL of a manifest.`);
  }
  try {
    return checkNodeOptions({
      scale,
      model: !isShipped(model) && existsSync(model) ? pathToFileURL(model).href : model,
      backend: (flags.backend ?? 'auto') as 'auto' | NodeBackend,
      lookahead: wholeOf(flags.lookahead, '--lookahead', 0, 3) ?? 3,
      threads: wholeOf(flags.threads, '--threads', 1, 256) ?? availableParallelism(),
      budgetMs: Number.POSITIVE_INFINITY,
      minFrameRate: 0,
    });
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    throw new FileError('usage', thrown.message.replace(/^options\./, '--'), { cause: thrown });
  }
}

function numberOf(text: string | undefined, flag: string, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new FileError('usage', `${flag} must be a number from ${least} to ${most}, not ${text}.`);
  }
  return value;
}

function wholeOf(text: string | undefined, flag: string, least: number, most: number): number | undefined {
  const value = numberOf(text, flag, least, most);
  if (value !== undefined && !Number.isInteger(value)) {
    throw new FileError('usage', `${flag} must be a whole number from ${least} to ${most}, not ${text}.`);
  }
  return value;
}

/** `90`, `1:30` or `0:01:30.5` in microseconds. */
function timeUs(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const [, hours = '0', minutes = '0', seconds] = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (seconds === undefined) {
    throw new FileError('usage', `${flag} must be seconds or [hours:]minutes:seconds, not ${text}.`);
  }
  return Math.round((Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1e6);
}
