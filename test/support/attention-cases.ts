import type { Rect } from '../../src/engine/engine.js';
import type { AttentionSettings } from '../../src/engine/native/attention-settings.js';
import type { AttentionWeights } from '../../src/engine/native/attention-weights.js';
import { emptyPlane, type Plane } from './attention-reference.js';

/** Frames of a window. */
export const FRAMES = [0, 1, 2, 3, 4, 5, 6];

/** A repeatable source of numbers between -1 and 1. */
export function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** Settings of a small network, with those given. */
export function randomSettings(of: Partial<AttentionSettings>): AttentionSettings {
  return { channels: 16, dim: 8, valueDim: 8, attendFrames: FRAMES, queryPool: 2, halo: 4, memory: 0, ...of };
}

/** Weights that make numbers around one, sharp and blunt softmaxes. */
export function randomWeights(settings: AttentionSettings, seed = 5): AttentionWeights {
  const { channels: c, dim: d, valueDim: v, queryPool, attendFrames, memory } = settings;
  const random = randoms(seed);
  const numbers = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * random());
  const pooled = (out: number, side: number) => ({
    weight: numbers(out * c * side ** 2, 2 / Math.sqrt(c * side ** 2)),
    bias: numbers(out, 0.5),
  });
  const out = queryPool ** 2 * c;
  return {
    query: pooled(d, queryPool),
    key: pooled(d, 2),
    value: pooled(v, 2),
    tau: Float32Array.from(attendFrames, (_, t) => (t === 1 ? 60 : 6 + 3 * t)),
    std: Float32Array.from(attendFrames, (_, t) => (t === 2 ? 0.05 : 1.2 + 0.6 * t)),
    projection: numbers(attendFrames.length * v * out, 1 / Math.sqrt(v * attendFrames.length)),
    bias: numbers(out, 0.3),
    ...(memory && { memory: { entries: numbers(memory * d, 2), projection: numbers(d * out, 1 / Math.sqrt(d)) } }),
  };
}

/** Smooth shapes with noise on them: neighbouring keys are alike, as in pictures. */
export function randomPlane(channels: number, width: number, height: number, seed: number): Plane {
  const random = randoms(seed);
  const plane = emptyPlane(channels, width, height);
  for (let i = 0; i < plane.data.length; i++) {
    const [x, y, c] = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
    plane.data[i] = Math.sin(0.3 * x + 0.2 * c + seed) * Math.cos(0.25 * y - 0.4 * c) + 0.4 * random();
  }
  return plane;
}

/** The largest difference of two planes inside a rectangle, infinite where one is not a number. */
export function worst(a: Plane, b: Plane, rect: Rect = { x: 0, y: 0, width: a.width, height: a.height }): number {
  let most = a.data.length === b.data.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.data.length; i++) {
    const [x, y] = [i % a.width, Math.floor(i / a.width) % a.height];
    const inside = x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
    const off = Math.abs(a.data[i]! - b.data[i]!);
    if (inside) most = Math.max(most, Number.isNaN(off) ? Number.POSITIVE_INFINITY : off);
  }
  return most;
}
