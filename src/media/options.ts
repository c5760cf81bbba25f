import type { Size } from '../frame/frame.js';
import type { StreamSettings } from '../live/protocol.js';
import { checkUpscaleOptions, type UpscaleOptions } from '../pipeline/options.js';
import type { AssetUrls } from './assets.js';

/** Choices for upscaling in the browser. */
export interface BrowserUpscaleOptions extends UpscaleOptions {
  /**
   * Where the network runs: `webgpu-native`, our own WebGPU kernels; `webgpu`, ONNX Runtime on WebGPU; `wasm`, ONNX Runtime
   * on the processor. Default `auto`: WebGPU when there is a real adapter that computes rightly, by our kernels where they
   * know the model and ONNX Runtime was not found to be faster here, else WASM.
   * Asking for WebGPU by name also takes an adapter in software; it still falls back when there is none: from our kernels to
   * ONNX Runtime, and from there to WASM.
   */
  readonly backend?: 'auto' | 'webgpu-native' | 'webgpu' | 'wasm';
  /**
   * Size of every output frame, in pixels. Default: `scale` times the first source frame; give it when the source may
   * start smaller than it becomes, as WebRTC does.
   */
  readonly size?: Size;
  /** The largest tile the network runs on at once, in source pixels with halo. Default: as the engine allows. */
  readonly maxTilePixels?: number;
  /**
   * WASM threads; more than one needs a cross-origin isolated page. The first stream decides. Default: one less than the
   * cores, so that the page keeps one, and 4 at most.
   */
  readonly threads?: number;
  /** Where the package's files are, when not beside the bundle. First stream decides. */
  readonly assets?: AssetUrls;
  /**
   * Which stream goes first where the engine has not the time for all of a page: the higher number, and of equals the
   * larger picture. Default 0.
   */
  readonly priority?: number;
  /**
   * Whether the output ends when its source does. Default `true`; with `false` it stays live until another source takes
   * the place of the one that ended, or it is disposed.
   */
  readonly endWithSource?: boolean;
  /** Ends the stream and releases everything, as `dispose()` does. */
  readonly signal?: AbortSignal;
}

const BACKENDS: readonly unknown[] = ['auto', 'webgpu-native', 'webgpu', 'wasm'];
const MOST_THREADS = 4;

/**
 * Fills in defaults.
 * @throws TypeError with a sentence that names the option that is wrong
 */
export function checkBrowserOptions(options: BrowserUpscaleOptions = {}): StreamSettings {
  const checked = checkUpscaleOptions(options);
  const { backend = 'auto', size, maxTilePixels, threads, priority = 0, endWithSource = true, signal } = options;
  if (!BACKENDS.includes(backend)) {
    throw new TypeError("options.backend must be 'auto', 'webgpu-native', 'webgpu' or 'wasm'.");
  }
  if (size !== undefined && !(isSide(size?.width) && isSide(size?.height))) {
    throw new TypeError('options.size, when provided, must be { width, height } in whole pixels, 1 to 16384.');
  }
  if (maxTilePixels !== undefined && !(Number.isInteger(maxTilePixels) && maxTilePixels > 0)) {
    throw new TypeError('options.maxTilePixels, when provided, must be a positive integer.');
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new TypeError('options.threads, when provided, must be a positive integer.');
  }
  if (!Number.isFinite(priority)) throw new TypeError('options.priority, when provided, must be a number.');
  if (typeof endWithSource !== 'boolean') {
    throw new TypeError('options.endWithSource, when provided, must be true or false.');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError('options.signal, when provided, must be an AbortSignal.');
  }
  return {
    ...checked,
    backend,
    followTo: null,
    size: size ? { width: size.width, height: size.height } : null,
    maxTilePixels: maxTilePixels ?? null,
    threads: threads ?? defaultThreads(),
    priority,
    endWithSource,
  };
}

function defaultThreads(): number {
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, Math.min(cores - 1, MOST_THREADS));
}

function isSide(length: unknown): boolean {
  return Number.isInteger(length) && (length as number) >= 1 && (length as number) <= 16384;
}
