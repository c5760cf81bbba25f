import { availableParallelism } from 'node:os';
import type { Size } from '../frame/frame.js';
import type { StreamSettings } from '../live/protocol.js';
import { checkUpscaleOptions, type UpscaleOptions } from '../pipeline/options.js';

/** Where the network runs in Node: `wasm` everywhere, the others by `onnxruntime-node` where that is installed. */
export type NodeBackend = 'wasm' | 'cpu' | 'cuda' | 'webgpu';

/** Choices for upscaling in Node. */
export interface NodeStreamOptions extends UpscaleOptions {
  /**
   * Where the network runs. Default `auto`: `cpu` where the package `onnxruntime-node` is installed, else `wasm`. What does
   * not start, or computes wrongly, gives way to the next: GPU, `cpu`, `wasm`.
   */
  readonly backend?: 'auto' | NodeBackend;
  /**
   * Threads that compute tiles of a frame beside each other, on `wasm` and `cpu`. The first stream decides. Default: one
   * less than the cores, and 4 at most.
   */
  readonly threads?: number;
  /** The largest tile the network runs on at once, in source pixels with halo. Default: as the engine allows. */
  readonly maxTilePixels?: number;
  /**
   * Size of every output frame, in pixels. Default: `scale` times the first source frame, whatever follows.
   */
  readonly size?: Size;
  /** Which stream goes first where there is not the time for all: the higher number. Default 0. */
  readonly priority?: number;
}

const BACKENDS: readonly unknown[] = ['auto', 'wasm', 'cpu', 'cuda', 'webgpu'];
const MOST_THREADS = 4;

/**
 * Fills in defaults.
 * @throws TypeError with a sentence that names the option that is wrong
 */
export function checkNodeOptions(options: NodeStreamOptions = {}): StreamSettings {
  const checked = checkUpscaleOptions(options);
  const { backend = 'auto', threads, maxTilePixels, size, priority = 0 } = options;
  if (!BACKENDS.includes(backend)) {
    throw new TypeError("options.backend must be 'auto', 'wasm', 'cpu', 'cuda' or 'webgpu'.");
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new TypeError('options.threads, when provided, must be a positive integer.');
  }
  if (maxTilePixels !== undefined && !(Number.isInteger(maxTilePixels) && maxTilePixels > 0)) {
    throw new TypeError('options.maxTilePixels, when provided, must be a positive integer.');
  }
  if (size !== undefined && !(isSide(size?.width) && isSide(size?.height))) {
    throw new TypeError('options.size, when provided, must be { width, height } in whole pixels, 1 to 16384.');
  }
  if (!Number.isFinite(priority)) throw new TypeError('options.priority, when provided, must be a number.');
  return {
    ...checked,
    backend,
    size: size ? { width: size.width, height: size.height } : null,
    followTo: null,
    maxTilePixels: maxTilePixels ?? null,
    threads: threads ?? Math.max(1, Math.min(availableParallelism() - 1, MOST_THREADS)),
    priority,
    endWithSource: true,
  };
}

function isSide(length: unknown): boolean {
  return Number.isInteger(length) && (length as number) >= 1 && (length as number) <= 16384;
}
