import type { Backend, Engine } from '../engine/engine.js';
import { OrtCpuEngine } from '../engine/ort/cpu.js';
import type { FrameMemory } from '../engine/ort/cpu-stream.js';
import { OrtRunner } from '../engine/ort/graph-runner.js';
import { loadOrt } from '../engine/ort/runtime.js';
import { createWebGpuEngine } from '../engine/ort/webgpu.js';
import { UpscaleError } from '../frame/errors.js';
import { PlaneReader } from '../frame/video-frame.js';
import { Backends } from '../live/backends.js';
import type { StreamSettings } from '../live/protocol.js';
import { ModelCache } from '../model/cache.js';
import { ModelLoader } from '../model/loader.js';
import { defaultModel, isShipped } from '../model/registry.js';
import { WebStore } from '../model/web-store.js';
import type { WorkerAssets } from './browser-platform.js';

/** An engine that runs frames of the browser. */
export type BrowserEngine = Engine<VideoFrame, VideoFrame>;

/** WebGPU, and WASM where that is not to be had. @param lost called when a backend's device is gone; its streams fail from then on */
export function browserBackends(
  assets: WorkerAssets,
  lost: (backend: Backend, reason: string) => void,
): Backends<VideoFrame> {
  return new Backends<VideoFrame>(
    {
      candidates: ({ backend }) => (backend === 'wasm' ? ['wasm'] : ['webgpu', 'wasm']),
      start: (backend, settings, gone) =>
        backend === 'webgpu' ? startWebGpu(assets, settings, gone) : startWasm(assets, settings),
      locate: (backend, { model, scale }) => {
        if (typeof model !== 'string') return model;
        const name = model === 'auto' ? defaultModel(backend, scale) : model;
        return isShipped(name) ? assets.models[name] : { manifest: name };
      },
    },
    new ModelLoader({ cache: new ModelCache(new WebStore()) }),
    lost,
  );
}

async function startWebGpu(
  assets: WorkerAssets,
  settings: StreamSettings,
  lost: (reason: string) => void,
): Promise<BrowserEngine> {
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
  const runtime = await loadOrt(assets.ort.webgpu, 1);
  return createWebGpuEngine({
    adapter,
    runtime,
    onLost: lost,
  });
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

function isSoftware(adapter: GPUAdapter): boolean {
  const { architecture, description, isFallbackAdapter } = adapter.info as GPUAdapterInfo & {
    isFallbackAdapter?: boolean;
  };
  return isFallbackAdapter === true || /swiftshader|llvmpipe|software/i.test(`${architecture} ${description}`);
}
