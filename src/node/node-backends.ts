import { createRequire } from 'node:module';
import type { Backend, Engine } from '../engine/engine.js';
import { OrtCpuEngine } from '../engine/ort/cpu.js';
import { OrtRunner } from '../engine/ort/graph-runner.js';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import { Backends } from '../live/backends.js';
import { ModelCache } from '../model/cache.js';
import { fetchOrRead } from '../model/file-fetch.js';
import { cacheFolder, FileStore } from '../model/file-store.js';
import { ModelLoader, type ModelLocation } from '../model/loader.js';
import { defaultModel, isShipped } from '../model/registry.js';
import type { ModelRequest, PackedModel } from '../model/source.js';
import { engineMemory, type MemoryFrame } from './memory-frame.js';
import { nodeRuntime } from './node-runtime.js';
import type { NodeBackend } from './options.js';
import { ThreadedRunner } from './threaded-runner.js';

const folder = cacheFolder();

/** What models are kept in on disk. */
export const modelCache = new ModelCache(folder === undefined ? undefined : new FileStore(folder));

/** Loads models from disk and from the net. */
export const modelLoader = new ModelLoader({ fetch: fetchOrRead, cache: modelCache });

/** ONNX Runtime in WebAssembly, and natively where `onnxruntime-node` is installed. */
export function nodeBackends(_: unknown, lost: (backend: Backend, reason: string) => void): Backends<MemoryFrame> {
  return new Backends<MemoryFrame>(
    {
      candidates: ({ backend }) => candidates(backend),
      // Options name no other backend.
      start: (backend, { threads }) => start(backend as NodeBackend, threads),
      locate: (backend, { model, scale }) => locate(model === 'auto' ? defaultModel(backend, scale) : model),
    },
    modelLoader,
    lost,
  );
}

/** Where the package, or the net, has a model. */
export function locate(model: ModelRequest): ModelLocation | PackedModel {
  if (typeof model !== 'string') return model;
  return { manifest: isShipped(model) ? new URL(`./models/${model}/manifest.json`, import.meta.url).href : model };
}

/** Where there is no GPU, or not the one that was asked for, the processor does it; natively if it can. */
function candidates(backend: 'auto' | Backend): readonly Backend[] {
  const native = hasNative();
  if (backend === 'auto') return native ? ['cpu', 'wasm'] : ['wasm'];
  if (backend === 'wasm') return ['wasm'];
  return backend === 'cpu' ? ['cpu', 'wasm'] : [backend, ...(native ? (['cpu'] as const) : []), 'wasm'];
}

function hasNative(): boolean {
  try {
    createRequire(import.meta.url).resolve('onnxruntime-node');
    return true;
  } catch {
    return false;
  }
}

async function start(backend: NodeBackend, threads: number): Promise<Engine<MemoryFrame, MemoryFrame>> {
  // A GPU does tiles one after another.
  const several = threads > 1 && (backend === 'wasm' || backend === 'cpu');
  try {
    const runner = several
      ? await ThreadedRunner.start(backend, threads)
      : new OrtRunner(await nodeRuntime(backend), backend);
    return new OrtCpuEngine(runner, () => engineMemory);
  } catch (cause) {
    if (cause instanceof UpscaleError) throw cause;
    throw new UpscaleError('backend-unavailable', `The backend ${backend} does not start: ${reasonOf(cause)}`, {
      cause,
    });
  }
}
