import { vectors } from './attention-plan.js';
import type { AttentionSettings } from './attention-settings.js';
import type { AttentionWeights } from './attention-weights.js';
import type { Precision } from './conv.js';
import { toHalf } from './half.js';

/** Weights of a kernel as it reads them, and where each part begins, in vectors of four. */
export interface Packed<Part extends string> {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly at: Readonly<Record<Part, number>>;
  readonly vectors: number;
}

/** Weights of the kernel that makes keys and values: one matrix of 4 pixels' channels to both, keys first. */
export function packEncode(
  settings: AttentionSettings,
  { key, value }: AttentionWeights,
  precision: Precision,
): Packed<'matrix' | 'bias'> {
  const { channels, dim, valueDim } = settings;
  const [c4, d4, v4] = [vectors(channels), vectors(dim), vectors(valueDim)];
  const layer = (out: number) => {
    const isKey = out < 4 * d4;
    const [row, rows] = isKey ? [out, dim] : [out - 4 * d4, valueDim];
    return row < rows ? { ...(isKey ? key : value), row } : undefined;
  };
  const matrix = columns(4 * 4 * c4, 4 * (d4 + v4), (out, from) => {
    const of = layer(out);
    const [pixel, channel] = [Math.floor(from / (4 * c4)), from % (4 * c4)];
    return of && channel < channels ? of.weight[(of.row * channels + channel) * 4 + pixel] : 0;
  });
  const bias = Float32Array.from({ length: 4 * (d4 + v4) }, (_, out) => {
    const of = layer(out);
    return of?.bias[of.row] ?? 0;
  });
  return pack({ matrix, bias }, precision);
}

/** Weights of the attention kernel. */
export function packFuse(
  settings: AttentionSettings,
  weights: AttentionWeights,
  precision: Precision,
): Packed<'query' | 'queryBias' | 'projection' | 'bias' | 'bank' | 'recall'> {
  const { channels, dim, valueDim, queryPool } = settings;
  const [c4, d4, v4] = [vectors(channels), vectors(dim), vectors(valueDim)];
  const area = queryPool ** 2;
  const { query: q, memory } = weights;
  const query = columns(area * 4 * c4, 4 * d4, (out, from) => {
    const [pixel, channel] = [Math.floor(from / (4 * c4)), from % (4 * c4)];
    return out < dim && channel < channels ? q.weight[(out * channels + channel) * area + pixel] : 0;
  });
  // Kernels have a pixel's channels side by side, the pixel shuffle a channel's pixels.
  const shuffled = (out: number): number | undefined => {
    const [pixel, channel] = [Math.floor(out / (4 * c4)), out % (4 * c4)];
    return channel < channels ? channel * area + pixel : undefined;
  };
  const outs = area * 4 * c4;
  const entry = (matrix: Float32Array, row: number, out: number): number | undefined => {
    const column = shuffled(out);
    return column === undefined ? 0 : matrix[row * area * channels + column];
  };
  const projection = columns(settings.attendFrames.length * 4 * v4, outs, (out, from) => {
    const [frame, channel] = [Math.floor(from / (4 * v4)), from % (4 * v4)];
    return channel < valueDim ? entry(weights.projection, frame * valueDim + channel, out) : 0;
  });
  const bias = Float32Array.from({ length: outs }, (_, out) => weights.bias[shuffled(out) ?? -1] ?? 0);
  const queryBias = Float32Array.from({ length: 4 * d4 }, (_, out) => q.bias[out] ?? 0);
  const bank = Float32Array.from({ length: settings.memory * 4 * d4 }, (_, i) => {
    const [n, channel] = [Math.floor(i / (4 * d4)), i % (4 * d4)];
    return channel < dim ? (memory?.entries[n * dim + channel] ?? 0) : 0;
  });
  const recall = columns(memory ? 4 * d4 : 0, outs, (out, from) => {
    return memory && from < dim ? entry(memory.projection, from, out) : 0;
  });
  return pack({ query, queryBias, projection, bias, bank, recall }, precision);
}

/**
 * A matrix as columns of four outputs: `[ins / 4, outs / 4, 4 ins, 4 outs]`, so that what a lane reads for four inputs
 * and four outputs is 16 numbers side by side.
 */
function columns(ins: number, outs: number, entry: (out: number, from: number) => number | undefined): Float32Array {
  const packed = new Float32Array(ins * outs);
  for (let from = 0; from < ins; from++) {
    for (let out = 0; out < outs; out++) {
      const tile = Math.floor(from / 4) * (outs / 4) + Math.floor(out / 4);
      packed[16 * tile + 4 * (from % 4) + (out % 4)] = entry(out, from) ?? 0;
    }
  }
  return packed;
}

function pack<Part extends string>(parts: Record<Part, Float32Array>, precision: Precision): Packed<Part> {
  const at = {} as Record<Part, number>;
  const all: number[] = [];
  for (const [name, part] of Object.entries(parts) as [Part, Float32Array][]) {
    at[name] = all.length / 4;
    for (const value of part) all.push(value);
  }
  const numbers = precision === 'f32' ? new Float32Array(all) : toHalf(Float32Array.from(all));
  return { data: new Uint8Array(numbers.buffer), at, vectors: all.length / 4 };
}
