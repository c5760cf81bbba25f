import type { AttentionSettings } from '../../src/engine/native/attention-settings.js';
import type { AttentionWeights, Pooled } from '../../src/engine/native/attention-weights.js';

/** A plane `[channels, height, width]`, rows without gaps. */
export interface Plane {
  readonly channels: number;
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** A plane of zeros. */
export function emptyPlane(channels: number, width: number, height: number): Plane {
  return { channels, width, height, data: new Float32Array(channels * width * height) };
}

/** Keys and values of a frame, `[D, h / 2, w / 2]` and `[V, h / 2, w / 2]`: `Attention.keys_values` of networks.py. */
export function keysValues(
  settings: AttentionSettings,
  weights: AttentionWeights,
  feat: Plane,
): { key: Plane; value: Plane } {
  const key = emptyPlane(settings.dim, feat.width / 2, feat.height / 2);
  const value = emptyPlane(settings.valueDim, feat.width / 2, feat.height / 2);
  for (let y = 0; y < key.height; y++) {
    for (let x = 0; x < key.width; x++) {
      set(key, x, y, unit(pooled(weights.key, feat, x, y, 2)));
      set(value, x, y, pooled(weights.value, feat, x, y, 2));
    }
  }
  return { key, value };
}

/**
 * base + attention of a frame to the keys and values of its attended frames, query by query: `Attention.forward` of
 * networks.py.
 */
export function attend(
  settings: AttentionSettings,
  weights: AttentionWeights,
  feat: Plane,
  attended: readonly { readonly key: Plane; readonly value: Plane }[],
  base = feat,
): Plane {
  const { queryPool: pool, channels, memory } = settings;
  const area = pool ** 2;
  const z = { ...base, data: base.data.slice() };
  for (let y = 0; y < feat.height / pool; y++) {
    for (let x = 0; x < feat.width / pool; x++) {
      const raw = pooled(weights.query, feat, x, y, pool);
      const query = unit(raw);
      const out = Array.from(weights.bias);
      for (const [t, { key, value }] of attended.entries()) {
        const seen = windowOf(settings, key, x, y);
        const centre = (at: number) => at * pool + (pool - 1) / 2;
        const logits = seen.map(([keyX, keyY]) => {
          const distance = (keyX * 2 + 0.5 - centre(x)) ** 2 + (keyY * 2 + 0.5 - centre(y)) ** 2;
          return weights.tau[t]! * dot(query, get(key, keyX, keyY)) - (0.5 * distance) / weights.std[t]! ** 2;
        });
        const mixed = mix(
          softmax(logits),
          seen.map(([keyX, keyY]) => get(value, keyX, keyY)),
        );
        project(out, mixed, weights.projection, t * settings.valueDim);
      }
      if (weights.memory) {
        const { entries, projection } = weights.memory;
        const rows = Array.from({ length: memory }, (_, n) =>
          Array.from(entries.subarray(n * settings.dim, (n + 1) * settings.dim)),
        );
        const logits = rows.map((row) => dot(raw, row) / Math.sqrt(settings.dim));
        project(out, mix(softmax(logits), rows), projection, 0);
      }
      for (const [i, value] of out.entries()) {
        const [channel, pixel] = [Math.floor(i / area), i % area];
        const at = index(z, channel, x * pool + (pixel % pool), y * pool + Math.floor(pixel / pool));
        z.data[at] = z.data[at]! + value;
      }
    }
  }
  if (z.channels !== channels) throw new RangeError('The plane has other channels than the network.');
  return z;
}

/** The keys, as (x, y), that the query (x, y) sees: those of its block's window that are in the picture. */
function windowOf({ queryPool, halo }: AttentionSettings, key: Plane, x: number, y: number): [number, number][] {
  const range = (query: number, length: number): number[] => {
    const block = Math.floor((query * queryPool) / 8);
    const all = Array.from({ length: (8 + 2 * halo) / 2 }, (_, i) => block * 4 - halo / 2 + i);
    return all.filter((at) => at >= 0 && at < length);
  };
  return range(y, key.height).flatMap((keyY) => range(x, key.width).map((keyX): [number, number] => [keyX, keyY]));
}

function pooled({ weight, bias }: Pooled, feat: Plane, x: number, y: number, side: number): number[] {
  return Array.from(bias, (sum, out) => {
    for (let c = 0; c < feat.channels; c++) {
      for (let dy = 0; dy < side; dy++) {
        for (let dx = 0; dx < side; dx++) {
          const w = weight[((out * feat.channels + c) * side + dy) * side + dx]!;
          sum += w * feat.data[index(feat, c, x * side + dx, y * side + dy)]!;
        }
      }
    }
    return sum;
  });
}

/** Adds `row` times the rows of `matrix` from `first` on. */
function project(out: number[], row: readonly number[], matrix: Float32Array, first: number): void {
  for (const [i, factor] of row.entries()) {
    for (let o = 0; o < out.length; o++) out[o] = out[o]! + factor * matrix[(first + i) * out.length + o]!;
  }
}

function unit(x: readonly number[]): number[] {
  const length = Math.sqrt(dot(x, x) + 1e-4);
  return x.map((value) => value / length);
}

function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

function mix(weights: readonly number[], rows: readonly (readonly number[])[]): number[] {
  return rows[0]!.map((_, i) => rows.reduce((sum, row, n) => sum + weights[n]! * row[i]!, 0));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function index({ width, height }: Plane, channel: number, x: number, y: number): number {
  return (channel * height + y) * width + x;
}

function get(plane: Plane, x: number, y: number): number[] {
  return Array.from({ length: plane.channels }, (_, c) => plane.data[index(plane, c, x, y)]!);
}

function set(plane: Plane, x: number, y: number, values: readonly number[]): void {
  for (const [c, value] of values.entries()) plane.data[index(plane, c, x, y)] = value;
}
