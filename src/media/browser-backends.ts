import type { Backend, Engine } from '../engine/engine.js';
import { rememberedTuning } from '../engine/native/tunings.js';
import { createNativeEngine } from '../engine/native/webgpu.js';
import { OrtCpuEngine } from '../engine/ort/cpu.js';
import type { FrameMemory } from '../engine/ort/cpu-stream.js';
import { OrtRunner } from '../engine/ort/graph-runner.js';
import { loadOrt } from '../engine/ort/runtime.js';
import { createWebGpuEngine } from '../engine/ort/webgpu.js';
import { UpscaleError } from '../frame/errors.js';
import { PlaneReader } from '../frame/video-frame.js';
import { Backends, type Choice } from '../live/backends.js';
import { FasterChoice } from '../live/faster.js';
import type { StreamSettings } from '../live/protocol.js';
import { ModelCache, type Store } from '../model/cache.js';
import { ModelLoader, type ModelLocation } from '../model/loader.js';
import { defaultModel, isShipped } from '../model/registry.js';
import type { PackedModel } from '../model/source.js';
import { WebStore } from '../model/web-store.js';
import { adapterHere, browserContest, isSoftware, noteOrt } from './browser-contest.js';
import type { WorkerAssets } from './browser-platform.js';

/** An engine that runs frames of the browser. */
export type BrowserEngine = Engine<VideoFrame, VideoFrame>;

/** WebGPU, and WASM where that is not to be had. @param lost called when a backend's device is gone; its streams fail from then on */
export function browserBackends(
  assets: WorkerAssets,
  lost: (backend: Backend, reason: string) => void,
): Choice<VideoFrame> {
  const store = new WebStore();
  const locate = ({ model, scale }: StreamSettings, backend: Backend): ModelLocation | PackedModel => {
    if (typeof model !== 'string') return model;
    const name = model === 'auto' ? defaultModel(backend, scale) : model;
    return isShipped(name) ? assets.models[name] : { manifest: name };
  };
  const backends = new Backends<VideoFrame>(
    {
      candidates: ({ backend }) => ALL.slice(backend === 'auto' ? 0 : ALL.indexOf(backend)),
      start: (backend, settings, gone) =>
        backend === 'wasm' ? startWasm(assets, settings) : startWebGpu(backend, assets, store, settings, gone),
      locate: (backend, settings) => locate(settings, backend),
    },
    new ModelLoader({ cache: new ModelCache(store) }),
    lost,
  );
  return new FasterChoice(
    backends,
    browserContest(assets, store, (settings) => locate(settings, 'webgpu')),
  );
}

/** Best first. */
const ALL: readonly Backend[] = ['webgpu-native', 'webgpu', 'wasm'];

async function startWebGpu(
  backend: Backend,
  assets: WorkerAssets,
  store: Store,
  settings: StreamSettings,
  onLost: (reason: string) => void,
): Promise<BrowserEngine> {
  const adapter = await adapterHere();
  if (!adapter) throw new UpscaleError('backend-unavailable', 'This browser has no WebGPU adapter.');
  // Asked for by name, an adapter in software is taken; left to us, WASM is many times faster than it.
  if (settings.backend === 'auto' && isSoftware(adapter)) {
    throw new UpscaleError(
      'backend-unavailable',
      'The WebGPU adapter here works in software, which is slower than WASM.',
    );
  }
  if (backend === 'webgpu-native') {
    const [f32, f16] = await Promise.all(
      (['f32', 'f16'] as const).map((precision) => rememberedTuning(store, adapter.info, precision)),
    );
    return createNativeEngine({ adapter, onLost, tunings: { ...(f32 && { f32 }), ...(f16 && { f16 }) } });
  }
  const engine = await createWebGpuEngine({ adapter, runtime: await loadOrt(assets.ort.webgpu, 1), onLost });
  void noteOrt(assets, store);
  return engine;
}

async function startWasm(assets: WorkerAssets, { threads }: StreamSettings): Promise<BrowserEngine> {
  const runtime = await loadOrt(assets.ort.wasm, self.crossOriginIsolated ? threads : 1);
  return new OrtCpuEngine(new OrtRunner(runtime), videoFrameMemory);
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
