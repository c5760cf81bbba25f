import { UpscaleError } from '../../frame/errors.js';
import type { Manifest } from '../../model/manifest.js';
import { type AttentionSettings, attentionSettings } from './attention-settings.js';
import type { Initialisers } from './initialisers.js';

/** What tells one mana-live network from another. */
export interface LiveSettings {
  readonly channels: number;
  readonly encoderBlocks: number;
  readonly decoderBlocks: number;
  /** Whether the encoder reads its own features of the frame before. */
  readonly recurrent: boolean;
  /** Channels that each neighbour gives; 0: none. */
  readonly near: number;
  /** Places in the window of the neighbours that give them, in the order they are read. */
  readonly nearFrames: readonly number[];
  readonly scale: number;
  readonly attention: AttentionSettings | undefined;
}

/**
 * Reads from the weights of a network what it is made of.
 * @throws UpscaleError `backend-unavailable` where our kernels do not know such a network
 */
export function liveSettings(manifest: Manifest, encode: Initialisers, fuse: Initialisers): LiveSettings {
  const { name, family, scale, window, tile } = manifest;
  const refuse = (why: string): never => {
    throw new UpscaleError('backend-unavailable', `Our kernels do not run the network ${name}: ${why}.`, {
      recoverable: false,
    });
  };
  if (family !== 'mana-live' || window !== 7 || tile) refuse(`it is of the family ${family}`);
  const attention = attentionSettings(manifest.settings ?? {});
  if (fuse.has('attn.q.weight') !== (attention !== undefined)) refuse('its manifest does not tell of its attention');
  const settings: LiveSettings = {
    channels: dims(encode, 'first')[0] ?? 0,
    encoderBlocks: blocks(encode, 'enc'),
    decoderBlocks: blocks(fuse, 'dec'),
    recurrent: encode.has('past.weight'),
    near: dims(encode, 'near')[0] ?? 0,
    nearFrames: Object.values(manifest.fuse.inputs)
      .filter(({ plane }) => plane === 'near')
      .map(({ slot }) => slot),
    scale,
    attention,
  };
  const { channels, near, nearFrames, encoderBlocks, decoderBlocks } = settings;
  const fours = [channels, near, 3 * scale ** 2].every((count) => count % 4 === 0);
  if (!fours || channels === 0) refuse('its channels do not come in fours');
  if (encoderBlocks < 1 || decoderBlocks < 1) refuse('it has no residual blocks');
  // Eight storage buffers are what every GPU has: these, the features, and the result.
  if (nearFrames.length > 6 || (dims(fuse, 'wn')[1] ?? 0) !== near * nearFrames.length) refuse('of its neighbours');
  return settings;
}

function dims(weights: Initialisers, layer: string): readonly number[] {
  return weights.get(`${layer}.weight`)?.dims ?? [];
}

function blocks(weights: Initialisers, name: string): number {
  let count = 0;
  while (weights.has(`${name}.${count}.a.weight`)) count++;
  return count;
}
