import { UpscaleError } from '../../frame/errors.js';
import { leastSquares } from './attention-least-squares.js';
import { type AttentionSettings, BLOCK, KEY_POOL, queriesOf, reachOf } from './attention-settings.js';
import type { Initialisers } from './initialisers.js';

/** A convolution whose stride is its size: weight `[out, in, side, side]`, bias `[out]`. */
export interface Pooled {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/**
 * What an attention has learned. Output channels of projections are `channel * queryPool^2 + pixel of the query`, as the
 * pixel shuffle wants them.
 */
export interface AttentionWeights {
  /** C -> D, side `queryPool`. */
  readonly query: Pooled;
  /** C -> D, side 2; keys are made unit afterwards. */
  readonly key: Pooled;
  /** C -> V, side 2. */
  readonly value: Pooled;
  /** Temperature of the cosine, for each attended frame. */
  readonly tau: Float32Array;
  /** Width of the Gaussian in pixels, for each attended frame. */
  readonly std: Float32Array;
  /** Projection of all frames' values, `[frames * V, queryPool^2 * C]`. */
  readonly projection: Float32Array;
  /** What projections add, `[queryPool^2 * C]`. */
  readonly bias: Float32Array;
  /** The bank's entries `[N, D]` and the projection of what they recall `[D, queryPool^2 * C]`. */
  readonly memory?: { readonly entries: Float32Array; readonly projection: Float32Array };
}

/** Largest error of a recovered memory, as a share of its largest number: above what half precision rounds. */
const MEMORY_TOLERANCE = 2e-3;

/**
 * Recovers the weights from the constants of the ENCODE and FUSE graphs, both in one map, undoing what the graphs fold:
 * tau rides in `key.extended`, the Gaussians are tables, queries have one more channel, and the bank's values are
 * projected already.
 * @throws UpscaleError `model-invalid` where a constant is missing or has another shape
 */
export function attentionWeights(settings: AttentionSettings, initialisers: Initialisers): AttentionWeights {
  const { channels: c, dim: d, valueDim: v, queryPool, memory } = settings;
  const frames = settings.attendFrames.length;
  const out = queryPool ** 2 * c;
  const read = (name: string, ...dims: number[]): Float32Array => {
    const found = initialisers.get(name);
    if (!found) throw invalid(`its graphs have no constant ${name}`);
    if (found.dims.join() !== dims.join()) throw invalid(`${name} is [${found.dims}] instead of [${dims}]`);
    if (!found.data.every(Number.isFinite)) throw invalid(`${name} holds numbers that are not finite`);
    return found.data;
  };
  const pooled = (name: string, out: number, side: number): Pooled => ({
    weight: read(`${name}.weight`, out, c, side, side),
    bias: read(`${name}.bias`, out),
  });
  const query = pooled('attn.q', d + 1, queryPool);
  const extended = read('key.extended.weight', frames * (d + 1), d, 1, 1);
  const weights = {
    // The last channel asks for the mask of keys outside the picture.
    query: { weight: query.weight.slice(0, d * c * queryPool ** 2), bias: query.bias.slice(0, d) },
    key: pooled('attn.k', d, KEY_POOL),
    value: pooled('attn.v', v, KEY_POOL),
    tau: Float32Array.from({ length: frames }, (_, t) => extended[t * (d + 1) * d] as number),
    std: Float32Array.from({ length: frames }, (_, t) => {
      const table = read(`bias.${t}`, queriesOf(settings) ** 2, reachOf(settings) ** 2);
      return widthOf(settings, table);
    }),
    projection: read('attn.wz', frames * v, out),
  };
  if (memory === 0) return { ...weights, bias: read('attn.wz.bias', out) };
  const keys = read('memory.keys', d + 1, memory);
  return { ...weights, ...recalled(settings, keys, read('memory.values', memory, out)) };
}

function invalid(what: string): UpscaleError {
  return new UpscaleError('model-invalid', `The weights of this model's attention cannot be used: ${what}.`, {
    recoverable: false,
  });
}

/**
 * The width of the Gaussian whose table `-distance^2 / (2 std^2)` is given. From the sums, so that it does not matter in
 * which order a graph has its keys.
 */
function widthOf(settings: AttentionSettings, table: Float32Array): number {
  let squares = 0;
  for (const y of offsets(settings)) for (const x of offsets(settings)) squares += x ** 2 + y ** 2;
  const width = Math.sqrt(-squares / (2 * table.reduce((sum, bias) => sum + bias, 0)));
  if (!Number.isFinite(width)) throw invalid('a table of distances is no Gaussian');
  return width;
}

/** Pixels from all queries' centres along a side to all keys'. */
function offsets(settings: AttentionSettings): number[] {
  const { queryPool, halo } = settings;
  const list: number[] = [];
  for (let query = 0; query < BLOCK; query += queryPool) {
    for (let key = 0; key < reachOf(settings); key++) {
      list.push(key * KEY_POOL + (KEY_POOL - 1) / 2 - halo - query - (queryPool - 1) / 2);
    }
  }
  return list;
}

/**
 * The bank as it was before the graph projected its values: those are `entries * projection + bias`, so the small matrix
 * is found from the large one, which saves N / D of the arithmetic.
 */
function recalled(
  { channels, dim, queryPool, memory }: AttentionSettings,
  keys: Float32Array,
  values: Float32Array,
): Pick<AttentionWeights, 'bias' | 'memory'> {
  const out = queryPool ** 2 * channels;
  const entries = Float32Array.from({ length: memory * dim }, (_, i) => {
    return (keys[(i % dim) * memory + Math.floor(i / dim)] as number) * Math.sqrt(dim);
  });
  const known = new Float64Array(memory * (dim + 1)).fill(1);
  for (let n = 0; n < memory; n++) {
    known.set(entries.subarray(n * dim, (n + 1) * dim), n * (dim + 1));
  }
  const { solution, residual } = leastSquares(known, values, dim + 1);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!(residual <= MEMORY_TOLERANCE * largest)) throw invalid('memory.values does not follow from memory.keys');
  return {
    memory: { entries, projection: solution.slice(0, dim * out) },
    bias: solution.slice(dim * out),
  };
}
