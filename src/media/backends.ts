import type { Backend, Engine, LoadedModel } from '../engine/engine.js';
import { OrtCpuEngine } from '../engine/ort/cpu.js';
import type { FrameMemory } from '../engine/ort/cpu-stream.js';
import { loadOrt } from '../engine/ort/runtime.js';
import { createWebGpuEngine } from '../engine/ort/webgpu.js';
import { verify } from '../engine/verify.js';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import { PlaneReader } from '../frame/video-frame.js';
import { ModelLoader, type ModelLocation } from '../model/loader.js';
import { defaultModel } from '../model/registry.js';
import type { StreamSettings, WorkerAssets } from './protocol.js';

/** An engine that runs frames of the browser. */
export type BrowserEngine = Engine<VideoFrame, VideoFrame>;

/** An engine and a model that have answered the golden tile rightly together. */
export interface Verified {
  readonly engine: BrowserEngine;
  readonly model: LoadedModel;
}

/** Told when a backend is passed over. */
export type OnFallback = (from: string, to: string, reason: string) => void;

/**
 * The engines of a worker: each backend is started once, and each model checked on it once, however many streams ask.
 */
export class Backends {
  readonly #loader = new ModelLoader();
  readonly #engines = new Map<Backend, Promise<BrowserEngine>>();
  readonly #verified = new Map<string, Promise<Verified>>();

  /** @param lost called when a backend's device is gone; its streams fail from then on */
  constructor(
    readonly assets: WorkerAssets,
    readonly lost: (backend: Backend, reason: string) => void,
  ) {}

  /**
   * The first backend of the user's choice that starts and computes the golden tile rightly.
   * @throws UpscaleError of the last backend that was tried
   */
  async choose(settings: StreamSettings, fallback: OnFallback): Promise<Verified> {
    const candidates: Backend[] = settings.backend === 'wasm' ? ['wasm'] : ['webgpu', 'wasm'];
    for (const [i, backend] of candidates.entries()) {
      try {
        return await this.#verify(backend, settings);
      } catch (thrown) {
        const next = candidates[i + 1];
        // A model that cannot be had is the same on every backend.
        if (!next || (thrown instanceof UpscaleError && thrown.code.startsWith('model-'))) throw thrown;
        fallback(backend, next, reasonOf(thrown));
      }
    }
    throw new UpscaleError('backend-unavailable', 'No backend is left to try.');
  }

  #verify(backend: Backend, settings: StreamSettings): Promise<Verified> {
    const name = settings.model === 'auto' ? defaultModel(backend) : settings.model;
    const key = `${backend} ${name}`;
    let verified = this.#verified.get(key);
    if (!verified) {
      const loading = this.#loader.load(this.#locate(name));
      loading.catch(() => undefined);
      verified = Promise.all([this.#start(backend, settings), loading]).then(async ([engine, model]) => {
        if (model.manifest.scale !== settings.scale) {
          throw new UpscaleError(
            'model-invalid',
            `The model ${name} enlarges ${model.manifest.scale} times, not ${settings.scale}.`,
          );
        }
        await verify(engine, model);
        return { engine, model };
      });
      // A model may be there the next time; a backend that is not here or computes wrongly stays refused.
      verified.catch((thrown) => {
        if (thrown instanceof UpscaleError && thrown.code.startsWith('model-')) this.#verified.delete(key);
      });
      this.#verified.set(key, verified);
    }
    return verified;
  }

  #locate(model: string): ModelLocation {
    return this.assets.models[model] ?? { manifest: model };
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
        for (const key of this.#verified.keys()) if (key.startsWith('webgpu ')) this.#verified.delete(key);
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
