import { UpscaleError } from '../../frame/errors.js';

/** Pixels along a side of a block, whose queries see one window of keys. */
export const BLOCK = 8;
/** Pixels along a side that share a key and a value. */
export const KEY_POOL = 2;
/** Added to squared lengths before they divide: zero stays zero, and half precision has it. */
export const EPSILON = 1e-4;
/** Frames of a window: entries of `attendFrames` are less. */
const WINDOW = 7;

/** How a network of the mana-live family attends: the part of its manifest's `settings` that matters here. */
export interface AttentionSettings {
  /** Channels of features, C. */
  readonly channels: number;
  /** Width of queries and keys, D. */
  readonly dim: number;
  /** Width of values, V. */
  readonly valueDim: number;
  /** Frames of the window that are attended to, 0 the oldest; one softmax each. */
  readonly attendFrames: readonly number[];
  /** Pixels along a side that share a query. */
  readonly queryPool: 1 | 2;
  /** Pixels around a block whose keys its queries see; even. */
  readonly halo: number;
  /** Entries of the memory bank; 0: none. */
  readonly memory: number;
}

/**
 * Reads a manifest's `settings`.
 * @returns undefined for a network without attention
 * @throws UpscaleError `model-invalid` with a sentence that names the setting
 */
export function attentionSettings(settings: Readonly<Record<string, unknown>>): AttentionSettings | undefined {
  if (!settings['dim']) return undefined;
  const wrong = (what: string): never => {
    throw new UpscaleError('model-invalid', `The settings of this model's attention cannot be used: ${what}.`, {
      recoverable: false,
    });
  };
  const natural = (name: string, least: number, most: number): number => {
    const value = settings[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return wrong(`${name} must be an integer from ${least} to ${most}`);
  };
  const frames = settings['attend_frames'];
  if (!Array.isArray(frames) || frames.length < 1 || frames.length > WINDOW) {
    return wrong(`attend_frames must be a list of 1 to ${WINDOW} frames`);
  }
  const attendFrames = frames.map((frame: unknown) => {
    if (typeof frame === 'number' && Number.isInteger(frame) && frame >= 0 && frame < WINDOW) return frame;
    return wrong(`attend_frames must hold integers from 0 to ${WINDOW - 1}`);
  });
  const halo = natural('halo', 0, 32);
  if (halo % KEY_POOL !== 0) wrong('halo must be even');
  return {
    channels: natural('channels', 1, 256),
    dim: natural('dim', 1, 64),
    valueDim: natural('value_dim', 1, 64),
    attendFrames,
    queryPool: natural('query_pool', 1, 2) as 1 | 2,
    halo,
    memory: natural('memory', 0, 65_536),
  };
}

/** Queries along a side of a block. */
export function queriesOf({ queryPool }: AttentionSettings): number {
  return BLOCK / queryPool;
}

/** Keys along a side of a window. */
export function reachOf({ halo }: AttentionSettings): number {
  return (BLOCK + 2 * halo) / KEY_POOL;
}
