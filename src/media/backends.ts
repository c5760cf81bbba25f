import type { Backend, Engine, LoadedModel } from '../engine/engine.js';
import { OrtCpuEngine } from '../engine/ort/cpu.js';
import type { FrameMemory } from '../engine/ort/cpu-stream.js';
import { loadOrt } from '../engine/ort/runtime.js';
import { createWebGpuEngine } from '../engine/ort/webgpu.js';
import { verify } from '../engine/verify.js';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import { PlaneReader } from '../frame/video-frame.js';
import { ModelCache } from '../model/cache.js';
import { halfOf } from '../model/half.js';
import { type LoadProgress, ModelLoader, type ModelLocation } from '../model/loader.js';
import { defaultModel, isShipped } from '../model/registry.js';
import type { PackedModel } from '../model/source.js';
import { WebStore } from '../model/web-store.js';
import type { StreamSettings, WorkerAssets } from './protocol.js';

/** An engine that runs frames of the browser. */
export type BrowserEngine = Engine<VideoFrame, VideoFrame>;

/** An engine and a model that have answered the golden tile rightly together. */
export interface Verified {
  readonly engine: BrowserEngine;
  readonly model: LoadedModel;
}

/** A stream that waits for its engine and model. */
export interface Waiting {
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** Told when a backend is passed over. */
  fallback?(from: string, to: string, reason: string): void;
  /** Told how far the model's files are here. */
  progress?(progress: LoadProgress): void;
}

/**
 * The engines of a worker: each backend is started once, and each model checked on it once, however many streams ask.
 */
export class Backends {
  readonly #loader = new ModelLoader({ cache: new ModelCache(new WebStore()) });
  readonly #engines = new Map<Backend, Promise<BrowserEngine>>();
  /** What each engine answered to each model's golden tile. */
  readonly #answers = new WeakMap<BrowserEngine, WeakMap<LoadedModel, Promise<number>>>();

  /** @param lost called when a backend's device is gone; its streams fail from then on */
  constructor(
    readonly assets: WorkerAssets,
    readonly lost: (backend: Backend, reason: string) => void,
  ) {}

  /**
   * The first backend of the user's choice that starts and computes the golden tile rightly.
   * @throws UpscaleError of the last backend that was tried; the signal's reason when the stream no longer waits
   */
  async choose(settings: StreamSettings, waiting: Waiting = {}): Promise<Verified> {
    const candidates: Backend[] = settings.backend === 'wasm' ? ['wasm'] : ['webgpu', 'wasm'];
    for (const [i, backend] of candidates.entries()) {
      try {
        return await this.#verify(backend, settings, waiting);
      } catch (thrown) {
        const next = candidates[i + 1];
        // A model that cannot be had is the same on every backend.
        if (!next || waiting.signal?.aborted || (thrown instanceof UpscaleError && thrown.code.startsWith('model-')))
          throw thrown;
        waiting.fallback?.(backend, next, reasonOf(thrown));
      }
    }
    throw new UpscaleError('backend-unavailable', 'No backend is left to try.');
  }

  /** Asks an engine in use its model's golden tile once more. @throws UpscaleError `backend-wrong` */
  async check({ engine, model }: Verified): Promise<void> {
    await verify(engine, model);
  }

  async #verify(backend: Backend, settings: StreamSettings, { signal, progress }: Waiting): Promise<Verified> {
    const refused = new AbortController();
    const leave = (): void => refused.abort(signal?.reason);
    signal?.addEventListener('abort', leave);
    if (signal?.aborted) leave();
    try {
      const [engine, model] = await Promise.all([
        this.#start(backend, settings),
        this.#loader.load(this.#locate(backend, settings), { signal: refused.signal, onProgress: progress }),
      ]);
      const { name, scale } = model.manifest;
      if (scale !== settings.scale) {
        const how = `The model ${name} enlarges ${scale} times, not ${settings.scale}.`;
        throw new UpscaleError('model-invalid', `${how} Give scale: ${scale}, or another model.`, {
          recoverable: false,
        });
      }
      return { engine, model: await this.#right(engine, model) };
    } finally {
      signal?.removeEventListener('abort', leave);
      // A backend that did not start needs no model.
      refused.abort();
    }
  }

  /** The model in the fastest form that the engine computes rightly. */
  async #right(engine: BrowserEngine, model: LoadedModel): Promise<LoadedModel> {
    const half = engine.half ? halfOf(model) : undefined;
    try {
      if (half) {
        await this.#answer(engine, half);
        return half;
      }
    } catch (thrown) {
      if (!(thrown instanceof UpscaleError && thrown.code === 'backend-wrong')) throw thrown;
    }
    await this.#answer(engine, model);
    return model;
  }

  #answer(engine: BrowserEngine, model: LoadedModel): Promise<number> {
    const answers = this.#answers.get(engine) ?? new WeakMap<LoadedModel, Promise<number>>();
    this.#answers.set(engine, answers);
    const answer = answers.get(model) ?? verify(engine, model);
    answers.set(model, answer);
    answer.catch((thrown: unknown) => {
      // A wrong answer is one; anything else may have been an accident.
      if (!(thrown instanceof UpscaleError && thrown.code === 'backend-wrong')) answers.delete(model);
    });
    return answer;
  }

  #locate(backend: Backend, { model, scale }: StreamSettings): ModelLocation | PackedModel {
    if (typeof model !== 'string') return model;
    const name = model === 'auto' ? defaultModel(backend, scale) : model;
    return isShipped(name) ? this.assets.models[name] : { manifest: name };
  }

  #start(backend: Backend, settings: StreamSettings): Promise<BrowserEngine> {
    let engine = this.#engines.get(backend);
    if (!engine) {
      engine = backend === 'webgpu' ? this.#startWebGpu(settings) : this.#startWasm(settings);
      this.#engines.set(backend, engine);
    }
    return engine;
  }

  async #startWebGpu(settings: StreamSettings): Promise<BrowserEngine> {
    const gpu = (navigator as Navigator & { gpu?: GPU }).gpu;
    const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) throw new UpscaleError('backend-unavailable', 'This browser has no WebGPU adapter.');
    // Asked for by name, an adapter in software is taken; left to us, WASM is many times faster than it.
    if (settings.backend === 'auto' && isSoftware(adapter)) {
      throw new UpscaleError(
        'backend-unavailable',
        'The WebGPU adapter here works in software, which is slower than WASM.',
      );
    }
    const runtime = await loadOrt(this.assets.ort.webgpu, 1);
    return createWebGpuEngine({
      adapter,
      runtime,
      onLost: (reason) => {
        this.#engines.delete('webgpu');
        this.lost('webgpu', reason);
      },
    });
  }

  async #startWasm({ threads }: StreamSettings): Promise<BrowserEngine> {
    const runtime = await loadOrt(this.assets.ort.wasm, self.crossOriginIsolated ? threads : 1);
    return new OrtCpuEngine(runtime, videoFrameMemory);
  }
}

function videoFrameMemory(): FrameMemory<VideoFrame, VideoFrame> {
  const reader = new PlaneReader();
  return {
    read: (frame) => reader.read(frame),
    write: (pixels, { width, height }, { timestampUs, durationUs }) =>
      new VideoFrame(pixels as Uint8ClampedArray<ArrayBuffer>, {
        format: 'RGBX',
        codedWidth: width,
        codedHeight: height,
        timestamp: timestampUs,
        ...(durationUs === undefined ? {} : { duration: durationUs }),
      }),
  };
}

function isSoftware(adapter: GPUAdapter): boolean {
  const { architecture, description, isFallbackAdapter } = adapter.info as GPUAdapterInfo & {
    isFallbackAdapter?: boolean;
  };
  return isFallbackAdapter === true || /swiftshader|llvmpipe|software/i.test(`${architecture} ${description}`);
}
