import type { OrtFiles } from '../engine/ort/runtime.js';
import type { ModelLocation } from '../model/loader.js';
import { SHIPPED_MODELS, type ShippedModel } from '../model/registry.js';
import type { WorkerAssets } from './browser-platform.js';
import type { FileAssets } from './file/protocol.js';

/** Where the package's files are, for pages that host them elsewhere. All URLs; relative ones are the page's. */
export interface AssetUrls {
  /** `io.worker.js`. */
  readonly ioWorker?: string | URL;
  /** `engine.worker.js`. */
  readonly engineWorker?: string | URL;
  /** `audio-delay.worklet.js`. */
  readonly audioWorklet?: string | URL;
  /** `file.worker.js`. */
  readonly fileWorker?: string | URL;
  /** `ffmpeg.worker.js`, which files that the browser cannot decode are read in. */
  readonly ffmpegWorker?: string | URL;
  /**
   * Folder of `ffmpeg-core.js` and `ffmpeg-core.wasm`, as in `dist/esm/` of the package `@ffmpeg/core`, 0.12. Only files that
   * the browser itself cannot decode need it, and those with subtitles; it is fetched for them alone (32 MB). It is not part of this package: its
   * licence is GPL-2.0-or-later, so serve it yourself or name a CDN, and see whether that licence suits you. Default: none.
   */
  readonly ffmpegCore?: string | URL;
  /** Folder of the ONNX Runtime files, named as in the package's `dist/ort/`. */
  readonly ort?: string | URL;
  /** Folder of the models, laid out as in the package's `dist/models/`. */
  readonly models?: string | URL;
}

/*
 * Each file is named by a literal `new URL(name, import.meta.url)`, the one form that every bundler understands and
 * copies the file for. Nothing here touches the page: importing the package on a server is free of effects.
 */

function shippedOrt(): Record<'webgpu' | 'wasm', OrtFiles> {
  return {
    webgpu: {
      api: new URL('./ort/ort.webgpu.min.mjs', import.meta.url).href,
      mjs: new URL('./ort/ort-wasm-simd-threaded.asyncify.mjs', import.meta.url).href,
      wasm: new URL('./ort/ort-wasm-simd-threaded.asyncify.wasm', import.meta.url).href,
    },
    wasm: {
      api: new URL('./ort/ort.wasm.min.mjs', import.meta.url).href,
      mjs: new URL('./ort/ort-wasm-simd-threaded.mjs', import.meta.url).href,
      wasm: new URL('./ort/ort-wasm-simd-threaded.wasm', import.meta.url).href,
    },
  };
}

function shippedModels(): Record<ShippedModel, ModelLocation> {
  return {
    'mana-live-x2': {
      manifest: new URL('./models/mana-live-x2/manifest.json', import.meta.url).href,
      files: {
        'encode.onnx': new URL('./models/mana-live-x2/encode.onnx', import.meta.url).href,
        'encode.fp16.onnx': new URL('./models/mana-live-x2/encode.fp16.onnx', import.meta.url).href,
        'fuse.onnx': new URL('./models/mana-live-x2/fuse.onnx', import.meta.url).href,
        'fuse.fp16.onnx': new URL('./models/mana-live-x2/fuse.fp16.onnx', import.meta.url).href,
        'golden.bin': new URL('./models/mana-live-x2/golden.bin', import.meta.url).href,
      },
    },
    'mana-live-x4': {
      manifest: new URL('./models/mana-live-x4/manifest.json', import.meta.url).href,
      files: {
        'encode.onnx': new URL('./models/mana-live-x4/encode.onnx', import.meta.url).href,
        'encode.fp16.onnx': new URL('./models/mana-live-x4/encode.fp16.onnx', import.meta.url).href,
        'fuse.onnx': new URL('./models/mana-live-x4/fuse.onnx', import.meta.url).href,
        'fuse.fp16.onnx': new URL('./models/mana-live-x4/fuse.fp16.onnx', import.meta.url).href,
        'golden.bin': new URL('./models/mana-live-x4/golden.bin', import.meta.url).href,
      },
    },
    'mana-nano-x2': {
      manifest: new URL('./models/mana-nano-x2/manifest.json', import.meta.url).href,
      files: {
        'encode.onnx': new URL('./models/mana-nano-x2/encode.onnx', import.meta.url).href,
        'encode.fp16.onnx': new URL('./models/mana-nano-x2/encode.fp16.onnx', import.meta.url).href,
        'fuse.onnx': new URL('./models/mana-nano-x2/fuse.onnx', import.meta.url).href,
        'fuse.fp16.onnx': new URL('./models/mana-nano-x2/fuse.fp16.onnx', import.meta.url).href,
        'golden.bin': new URL('./models/mana-nano-x2/golden.bin', import.meta.url).href,
      },
    },
    'mana-nano-x4': {
      manifest: new URL('./models/mana-nano-x4/manifest.json', import.meta.url).href,
      files: {
        'encode.onnx': new URL('./models/mana-nano-x4/encode.onnx', import.meta.url).href,
        'encode.fp16.onnx': new URL('./models/mana-nano-x4/encode.fp16.onnx', import.meta.url).href,
        'fuse.onnx': new URL('./models/mana-nano-x4/fuse.onnx', import.meta.url).href,
        'fuse.fp16.onnx': new URL('./models/mana-nano-x4/fuse.fp16.onnx', import.meta.url).href,
        'golden.bin': new URL('./models/mana-nano-x4/golden.bin', import.meta.url).href,
      },
    },
  };
}

/** Where the shipped models are: beside the bundle, or where the page says. */
export function modelLocations({ models }: AssetUrls): Readonly<Record<ShippedModel, ModelLocation>> {
  if (!models) return shippedModels();
  const base = folder(models);
  return Object.fromEntries(
    SHIPPED_MODELS.map((name) => [name, { manifest: `${base}${name}/manifest.json` }]),
  ) as Record<ShippedModel, ModelLocation>;
}

/** The files the workers need: those beside the bundle, or where the page says. */
export function workerAssets(assets: AssetUrls): WorkerAssets {
  const { engineWorker, ort } = assets;
  return {
    engineWorker: engineWorker ? absolute(engineWorker) : new URL('./engine.worker.js', import.meta.url).href,
    ort: ort ? ortIn(folder(ort)) : shippedOrt(),
    models: modelLocations(assets),
  };
}

/** The files that a `file` worker needs. */
export function fileAssets(assets: AssetUrls): FileAssets {
  const { ffmpegWorker, ffmpegCore } = assets;
  const core = ffmpegCore && folder(ffmpegCore);
  return {
    ...workerAssets(assets),
    ffmpegWorker: ffmpegWorker ? absolute(ffmpegWorker) : new URL('./ffmpeg.worker.js', import.meta.url).href,
    ffmpegCore: core ? { js: `${core}ffmpeg-core.js`, wasm: `${core}ffmpeg-core.wasm` } : null,
  };
}

/** Starts a `file` worker. */
export function startFileWorker({ fileWorker }: AssetUrls): Worker {
  return fileWorker
    ? new Worker(absolute(fileWorker), { type: 'module', name: 'mana-file' })
    : new Worker(new URL('./file.worker.js', import.meta.url), { type: 'module', name: 'mana-file' });
}

/** Starts the `io` worker. */
export function startIoWorker({ ioWorker }: AssetUrls): Worker {
  return ioWorker
    ? new Worker(absolute(ioWorker), { type: 'module', name: 'mana-io' })
    : new Worker(new URL('./io.worker.js', import.meta.url), { type: 'module', name: 'mana-io' });
}

/** Address of the worklet that delays audio. */
export function audioWorkletUrl({ audioWorklet }: AssetUrls): string {
  return audioWorklet ? absolute(audioWorklet) : new URL('./audio-delay.worklet.js', import.meta.url).href;
}

function absolute(url: string | URL): string {
  return new URL(url, location.href).href;
}

function folder(url: string | URL): string {
  return absolute(url).replace(/\/*$/, '/');
}

function ortIn(base: string): Record<'webgpu' | 'wasm', OrtFiles> {
  const build = (api: string, glue: string): OrtFiles => ({
    api: `${base}${api}`,
    mjs: `${base}${glue}.mjs`,
    wasm: `${base}${glue}.wasm`,
  });
  return {
    webgpu: build('ort.webgpu.min.mjs', 'ort-wasm-simd-threaded.asyncify'),
    wasm: build('ort.wasm.min.mjs', 'ort-wasm-simd-threaded'),
  };
}
