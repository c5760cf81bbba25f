import { positionsPerLane } from './attention-keys.js';
import { attentionPlan, bytesOf } from './attention-plan.js';
import { type AttentionSettings, BLOCK, KEY_POOL } from './attention-settings.js';
import type { Precision } from './conv.js';

/** What a kernel costs per low-resolution pixel, away from the picture's edges. */
export interface KernelCost {
  readonly macs: number;
  /** Bytes that workgroups read, each counted once a workgroup however many of its lanes ask for it. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Bytes of the planes it cannot do without: each read or written once, by whichever workgroup. */
  readonly idealBytes: number;
  /** Bytes of its weights in all. Read once they count for nothing. */
  readonly weightBytes: number;
}

/** The cost of keys and values of a frame, and of attention to a window. */
export function attentionCost(
  settings: AttentionSettings,
  precision: Precision,
): { readonly encode: KernelCost; readonly fuse: KernelCost } {
  const { c4, d4, v4, queries, reach, frames, out } = attentionPlan(settings, precision);
  const vector = 4 * bytesOf(precision);
  const pixels = BLOCK ** 2;
  const made = (d4 + v4) / KEY_POOL ** 2; // vectors of keys and values a pixel

  const matrix = KEY_POOL ** 2 * c4 * (d4 + v4) * 4;
  const encodeWeights = matrix + d4 + v4;
  const encodePixels = 64 * positionsPerLane(settings) * KEY_POOL ** 2; // of a workgroup
  const encode = {
    macs: (matrix * 4 + d4 * 4) / KEY_POOL ** 2,
    bytesRead: vector * (c4 + encodeWeights / encodePixels),
    bytesWritten: vector * made,
    idealBytes: vector * (c4 + made),
    weightBytes: vector * encodeWeights,
  };

  const bank = settings.memory * d4;
  const recall = settings.memory ? 4 * d4 * out : 0;
  const query = 4 * settings.queryPool ** 2 * c4 * d4;
  const projection = 4 * frames * v4 * out;
  const fuseWeights = query + d4 + projection + out + bank + recall;
  // A logit and a mixed value for each key; the bank's entries are both.
  const keys = frames * reach ** 2 * 4 * (d4 + v4) + settings.memory * 4 * (d4 + d4);
  const fuse = {
    macs: (queries * (query * 4 + d4 * 4 + keys + (projection + recall) * 4)) / pixels,
    bytesRead: vector * (c4 + (frames * reach ** 2 * (d4 + v4) + fuseWeights) / pixels),
    bytesWritten: vector * c4,
    idealBytes: vector * (2 * c4 + frames * made),
    weightBytes: vector * fuseWeights,
  };
  return { encode, fuse };
}
