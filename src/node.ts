/**
 * The operator for Node: frames in memory go in and come out. The same pipeline as in the browser, no browser objects.
 * @module
 */
import type { OperatorFunction } from 'rxjs';
import type { LoadedModel } from './engine/engine.js';
import { OrtCpuEngine } from './engine/ort/cpu.js';
import { ortRuntime } from './engine/ort/runtime.js';
import { verify } from './engine/verify.js';
import { checkFrame } from './frame/check.js';
import { UpscaleError } from './frame/errors.js';
import type { PlanarFrame } from './frame/frame.js';
import { ModelCache } from './model/cache.js';
import { fetchOrRead } from './model/file-fetch.js';
import { cacheFolder, FileStore } from './model/file-store.js';
import { type LoadProgress, ModelLoader, type ModelLocation } from './model/loader.js';
import { defaultModel, isShipped } from './model/registry.js';
import { checkModel, type ModelBytes, type ModelRequest, type ModelSource, type PackedModel } from './model/source.js';
import { bilinear, rgbx } from './pipeline/bilinear.js';
import { realClock } from './pipeline/clock.js';
import { Mailbox } from './pipeline/mailbox.js';
import { type Lane, laneOperator } from './pipeline/operator.js';
import { type CheckedUpscaleOptions, checkUpscaleOptions, type UpscaleOptions } from './pipeline/options.js';
import { UpscaleSession } from './pipeline/session.js';
import { Upscaler } from './pipeline/upscaler.js';

export { UpscaleError, type UpscaleErrorCode } from './frame/errors.js';
export type {
  ColourMatrix,
  ColourSpace,
  FrameTimes,
  PlanarFormat,
  PlanarFrame,
  PlaneLayout,
  Size,
} from './frame/frame.js';
export type { LoadProgress } from './model/loader.js';
export { SHIPPED_MODELS, type ShippedModel } from './model/registry.js';
export type { ModelBytes, ModelSource } from './model/source.js';
export type { UpscaleOptions } from './pipeline/options.js';

/** Settings of {@link manaUpscale} in Node. */
export interface NodeUpscaleOptions extends UpscaleOptions {
  /** WASM threads, for the whole process; the first use decides. Default 1. */
  readonly threads?: number;
  /** Told when the network cannot be used and frames are enlarged bilinearly instead. */
  readonly onFallback?: (reason: UpscaleError) => void;
}

type NodeEngine = OrtCpuEngine<PlanarFrame, PlanarFrame>;

const folder = cacheFolder();
const cache = new ModelCache(folder === undefined ? undefined : new FileStore(folder));
const loader = new ModelLoader({ fetch: fetchOrRead, cache });
let engine: Promise<NodeEngine> | undefined;
/** What the engine answered to each model's golden tile. */
const answers = new WeakMap<LoadedModel, Promise<number>>();

/** A model that cannot be had is asked for again after this long, doubled each time. */
const RETRY_MS = { first: 500, most: 60_000 } as const;

/**
 * An RxJS operator that upscales frames in memory. A frame's buffer belongs to the operator until its output is out.
 *
 * A newer frame replaces one that waits while the network is busy, so a source faster than the network loses frames but
 * never builds up delay. Until the model is here frames wait likewise: of one at a slow URL, {@link loadModel} gets hold
 * first. Output frames are `RGBX`, carry the timestamps of their source and own their bytes. When the
 * network cannot run, frames are enlarged bilinearly and `onFallback` says why; the stream never errors because of us.
 *
 * @example
 * ```ts
 * decodedFrames.pipe(manaUpscale({ scale: 2 })).subscribe((frame) => encoder.encode(frame));
 * ```
 * @throws TypeError when an option is wrong
 */
export function manaUpscale(options: NodeUpscaleOptions = {}): OperatorFunction<PlanarFrame, PlanarFrame> {
  const checked = checkUpscaleOptions(options);
  const { threads = 1, onFallback } = options;
  if (!Number.isInteger(threads) || threads < 1) throw new TypeError('options.threads must be a positive integer.');
  return laneOperator<PlanarFrame, PlanarFrame>(
    ({ emit }) => openLane(checked, threads, emit, onFallback),
    () => undefined,
  );
}

/** Choices of {@link loadModel}. */
export interface LoadModelOptions {
  /** Ends the download. What had come of a file is dropped; files that were whole stay in the cache. */
  readonly signal?: AbortSignal;
  /** Told how far the model's files are here. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Downloads a model ahead of its use and checks it. It is then in the cache on disk, where streams that name it find it,
 * with the network gone too; what is returned may also be given as their `model`.
 *
 * The cache is `mana-upscale` in the platform's folder for caches (`XDG_CACHE_HOME`, `~/Library/Caches`, `LOCALAPPDATA`).
 * The environment variable `MANA_UPSCALE_CACHE` names another folder; empty, nothing is kept.
 *
 * @param model a shipped model's name, the URL of a `manifest.json` or of the folder that holds it, or a model's bytes
 * @throws TypeError when the model is none of these; UpscaleError `model-unavailable` when a file cannot be fetched and
 * `model-invalid` when it is not what the manifest promises; the signal's reason when that is aborted
 */
export async function loadModel(model: ModelSource, options: LoadModelOptions = {}): Promise<ModelBytes> {
  const { manifest, files } = await loader.load(locate(checkModel(model, 'model')), options);
  return { manifest, files: Object.fromEntries([...files].map(([name, data]) => [name, data.slice()])) };
}

/** Forgets all model files that are kept on disk between runs. Streams that run are not disturbed. */
export async function clearModelCache(): Promise<void> {
  await cache.clear();
}

function openLane(
  options: CheckedUpscaleOptions,
  threads: number,
  emit: (frame: PlanarFrame) => void,
  onFallback: ((reason: UpscaleError) => void) | undefined,
): Lane<PlanarFrame> {
  /** Frames that went in and have not come out: what is enlarged without the network when it fails. */
  let waiting: PlanarFrame[] = [];
  const source = locate(options.model === 'auto' ? defaultModel('wasm', options.scale) : options.model);
  const patience = new Patience();
  /** Ends the waiting for a model. */
  const closing = new AbortController();
  const open = (): UpscaleSession<PlanarFrame, PlanarFrame> =>
    new UpscaleSession<PlanarFrame, PlanarFrame>({
      clock: realClock,
      budgetMs: options.budgetMs,
      failed: fail,
      open: async (size) => {
        const { engine: started, model } = await patience.ask(() =>
          verified(source, options.scale, threads, closing.signal),
        );
        return Upscaler.open(started, model, {
          size,
          lookahead: options.lookahead,
          emit: (frame) => {
            waiting = waiting.filter(({ timestampUs }) => timestampUs !== frame.timestampUs);
            emit(frame);
          },
        });
      },
    });
  const tell = (thrown: unknown): void => {
    const failed = 'The network failed on a frame.';
    const reason =
      thrown instanceof UpscaleError ? thrown : new UpscaleError('engine-failed', failed, { cause: thrown });
    try {
      onFallback?.(reason);
    } catch (error) {
      // The user's error, not the stream's.
      queueMicrotask(() => {
        throw error;
      });
    }
  };
  const fail = (thrown: unknown): void => {
    if (closing.signal.aborted) return;
    tell(thrown);
    session.dispose();
    session = open();
    const frames = waiting;
    waiting = [];
    for (const frame of frames) emit(bilinear(frame, options.scale));
  };

  let session = open();
  let format: PlanarFrame['format'] | undefined;
  const handle = async (frame: PlanarFrame): Promise<void> => {
    try {
      checkFrame(frame);
    } catch (thrown) {
      tell(thrown);
      return;
    }
    waiting.push(frame);
    const { width, height, timestampUs, durationUs } = frame;
    const fresh = frame.format !== format;
    format = frame.format;
    await session.push({
      frame,
      times: durationUs === undefined ? { timestampUs } : { timestampUs, durationUs },
      size: { width, height },
      arrivedMs: realClock.now(),
      fresh,
      release: () => undefined,
    });
  };
  const mailbox = new Mailbox<PlanarFrame>(handle, () => undefined, fail);
  return {
    push: (frame) => mailbox.offer(frame),
    finish: async () => {
      await mailbox.idle();
      await session.flush().catch(fail);
    },
    dispose: () => {
      closing.abort();
      mailbox.close();
      session.dispose();
      waiting = [];
    },
  };
}

/** Keeps a stream from asking for its network at every frame while it cannot be had. */
class Patience {
  #failed: { readonly error: unknown; readonly untilMs: number; readonly pauseMs: number } | undefined;

  async ask<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failed && realClock.now() < this.#failed.untilMs) throw this.#failed.error;
    try {
      const result = await work();
      this.#failed = undefined;
      return result;
    } catch (error) {
      const hopeless = error instanceof UpscaleError && !error.recoverable;
      const pauseMs = this.#failed ? Math.min(this.#failed.pauseMs * 2, RETRY_MS.most) : RETRY_MS.first;
      const untilMs = hopeless ? Number.POSITIVE_INFINITY : realClock.now() + pauseMs;
      this.#failed = { error, untilMs, pauseMs };
      throw error;
    }
  }
}

/** The engine and the model of a stream, checked once against each other. */
async function verified(
  source: ModelLocation | PackedModel,
  scale: number,
  threads: number,
  signal: AbortSignal,
): Promise<{ engine: NodeEngine; model: LoadedModel }> {
  engine ??= startEngine(threads);
  const [started, model] = await Promise.all([engine, loader.load(source, { signal })]);
  const { manifest } = model;
  if (manifest.scale !== scale) {
    const how = `The model ${manifest.name} enlarges ${manifest.scale} times, not ${scale}.`;
    throw new UpscaleError('model-invalid', `${how} Give scale: ${manifest.scale}, or another model.`, {
      recoverable: false,
    });
  }
  const answer = answers.get(model) ?? verify(started, model);
  answers.set(model, answer);
  await answer;
  return { engine: started, model };
}

async function startEngine(threads: number): Promise<NodeEngine> {
  const ort = await import('onnxruntime-web');
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = threads;
  return new OrtCpuEngine<PlanarFrame, PlanarFrame>(ortRuntime(ort, threads), () => ({
    read: (frame) => frame,
    write: (pixels, { width, height }, times) => rgbx(pixels.slice(), width, height, times),
  }));
}

function locate(model: ModelRequest): ModelLocation | PackedModel {
  if (typeof model !== 'string') return model;
  return { manifest: isShipped(model) ? new URL(`./models/${model}/manifest.json`, import.meta.url).href : model };
}
