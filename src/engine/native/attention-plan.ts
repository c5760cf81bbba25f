import { UpscaleError } from '../../frame/errors.js';
import { type AttentionSettings, BLOCK, queriesOf, reachOf } from './attention-settings.js';
import type { Precision } from './conv.js';

/** Invocations of a workgroup: what every device has, compatibility mode included. */
export const INVOCATIONS = 64;
/** Bytes of workgroup memory that every device has. */
const WORKGROUP_BYTES = 16_384;
/** Bytes of it for keys and values: less, so that several workgroups run beside each other. */
const STAGED_BYTES = 6144;
/** Bytes of it for what invocations tell each other. */
const EXCHANGE_BYTES = 8192;
const VECTOR_BYTES = 16; // vec4f

/** Bytes of a number. */
export function bytesOf(precision: Precision): number {
  return precision === 'f16' ? 2 : 4;
}

/** Vectors of four that hold `channels`. */
export function vectors(channels: number): number {
  return Math.ceil(channels / 4);
}

/**
 * How a workgroup of the attention kernel divides its block. Lanes stand in `groups` of one neighbour each, and each lane
 * has `perLane` queries of the block; then all lanes project what was mixed, each `passes` vectors of output channels
 * for one of `slices` slices of the queries.
 */
export interface AttentionPlan {
  /** Vectors of C, D and V. */
  readonly c4: number;
  readonly d4: number;
  readonly v4: number;
  /** Queries of a block. */
  readonly queries: number;
  /** Keys along a side of a window. */
  readonly reach: number;
  readonly frames: number;
  /** Queries that a lane has: each key it loads serves all of them. */
  readonly perLane: number;
  /** Neighbours that are attended to at once. */
  readonly groups: number;
  /** Parts of the memory bank that are asked at once. */
  readonly bankParts: number;
  /** Rows of each neighbour's window that are in workgroup memory at once. */
  readonly rows: number;
  /** Vectors of output channels of a query, its pixels' together. */
  readonly out: number;
  readonly passes: number;
  readonly slices: number;
  /** Vectors of fp32 that lanes exchange. */
  readonly exchange: number;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
}

/**
 * Divides the work of a block.
 * @throws UpscaleError `backend-unavailable` where keys and values are too wide for workgroup memory
 */
export function attentionPlan(settings: AttentionSettings, precision: Precision): AttentionPlan {
  const [c4, d4, v4] = [settings.channels, settings.dim, settings.valueDim].map(vectors) as [number, number, number];
  const queries = queriesOf(settings) ** 2;
  const reach = reachOf(settings);
  const frames = settings.attendFrames.length;
  // Two queries of a lane share each load of a key, as long as both fit into registers.
  const perLane = queries === INVOCATIONS && frames > 1 && d4 + v4 <= 8 ? 2 : 1;
  const most = (INVOCATIONS * perLane) / queries;
  let groups = Math.min(most, frames);
  while (groups > 1 && groups * queries * v4 * VECTOR_BYTES > EXCHANGE_BYTES) groups--;
  let bankParts = settings.memory ? most : 0;
  while (bankParts > 1 && bankParts * queries * d4 * VECTOR_BYTES > EXCHANGE_BYTES) bankParts--;
  const exchange = Math.max(queries * d4, groups * queries * v4, bankParts * queries * d4);
  const told = exchange * VECTOR_BYTES + bankParts * queries * 8;
  const rowBytes = reach * (d4 + v4) * 4 * bytesOf(precision);
  const room = (): number => Math.min(STAGED_BYTES, WORKGROUP_BYTES - told) / (groups * rowBytes);
  while (groups > 1 && room() < 1) groups--;
  const mostRows = Math.max(1, Math.floor(room()));
  // As few chunks as fit, of even height.
  const rows = Math.ceil(reach / Math.ceil(reach / Math.min(reach, mostRows)));
  const workgroupBytes = told + groups * rows * rowBytes;
  if (workgroupBytes > WORKGROUP_BYTES) {
    const { dim, valueDim, halo } = settings;
    throw new UpscaleError(
      'backend-unavailable',
      `Attention of ${dim} and ${valueDim} channels with a halo of ${halo} does not fit into workgroup memory.`,
      { recoverable: false },
    );
  }
  const out = settings.queryPool ** 2 * c4;
  let slices = 1;
  while (2 * slices * out <= INVOCATIONS && 2 * slices <= queries) slices *= 2;
  const passes = Math.ceil(out / INVOCATIONS);
  return {
    ...{ c4, d4, v4, queries, reach, frames, perLane, groups, bankParts, rows, out, passes, slices },
    ...{ exchange, workgroupBytes },
  };
}

/** Blocks along a length in pixels. */
export function blocksAlong(length: number): number {
  return Math.ceil(length / BLOCK);
}
