import { Mutator } from './mutate.js';
import type { FuzzTarget } from './target.js';

/** Inputs between two looks at the heap, and between two turns of the event loop. */
const STRIDE = 1000;
/** One that took longer is given once more: it may have been the machine that was slow. */
const SUSPICIOUS_MS = 50;
/** What is left on the heap after the first inputs, when everything has been compiled, is where growth is measured from. */
const WARM_UP = 0.2;

/** More heap and array buffers that stay after many inputs are a leak. */
export const MOST_GROWN_BYTES = 64 * 2 ** 20;

/** What fuzzing a target found. */
export interface FuzzReport {
  readonly target: string;
  readonly inputs: number;
  readonly totalMs: number;
  /** The input that took longest, in milliseconds; it is written out in hexadecimal. */
  readonly slowestMs: number;
  readonly slowest: string;
  /** Growth of heap and array buffers from the warm-up to the end, in bytes; less exact without `--expose-gc`. */
  readonly grownBytes: number;
}

/** An input that made a target throw. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

/**
 * Gives a target many malformed inputs.
 * @param count of inputs
 * @param seed the same one gives the same inputs
 * @throws FuzzFailure with the input, in hexadecimal, that made the target throw
 */
export async function fuzz(target: FuzzTarget, count: number, seed: number): Promise<FuzzReport> {
  const mutator = new Mutator(target.seeds, seed, target.lines);
  let slowestMs = 0;
  let slowest = new Uint8Array(0) as Uint8Array;
  let fromBytes: number | undefined;
  const startMs = performance.now();
  for (let i = 0; i < count; i++) {
    const input = mutator.next();
    let tookMs: number;
    try {
      tookMs = await timeOf(target, input);
      if (tookMs > SUSPICIOUS_MS) tookMs = Math.min(tookMs, await timeOf(target, input));
    } catch (thrown) {
      throw new FuzzFailure(`${target.name}, input ${i} of seed ${seed}: ${hex(input)}`, { cause: thrown });
    }
    if (tookMs > slowestMs) {
      slowestMs = tookMs;
      slowest = input;
    }
    if (i % STRIDE === STRIDE - 1) await new Promise((resolve) => setImmediate(resolve));
    if (fromBytes === undefined && i >= count * WARM_UP) fromBytes = usedBytes();
  }
  const totalMs = performance.now() - startMs;
  const grownBytes = usedBytes() - (fromBytes ?? 0);
  return { target: target.name, inputs: count, totalMs, slowestMs, slowest: hex(slowest), grownBytes };
}

async function timeOf(target: FuzzTarget, input: Uint8Array): Promise<number> {
  const beforeMs = performance.now();
  const running = target.run(input);
  if (running) await running;
  return performance.now() - beforeMs;
}

function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
