import type { Engine, LoadedModel } from '../../src/engine/engine.js';
import { createNativeEngine } from '../../src/engine/native/webgpu.js';
import { OrtCpuEngine } from '../../src/engine/ort/cpu.js';
import { OrtRunner } from '../../src/engine/ort/graph-runner.js';
import { goldenTile } from '../../src/engine/verify.js';
import { PlaneReader } from '../../src/frame/video-frame.js';
import { type Choice, describe } from '../../src/live/backends.js';
import { workerAssets } from '../../src/media/assets.js';
import { browserBackends } from '../../src/media/browser-backends.js';
import { checkBrowserOptions } from '../../src/media/options.js';
import { halfOf } from '../../src/model/half.js';
import { planStream } from '../../src/pipeline/tiles.js';
import { psnr } from './sources.js';
import { modelOf, ortInPage, pictureFrame, pixelsOf, worst } from './webgpu.js';

/** Rows of the output are no multiple of 256 bytes. */
const SIZE = { width: 40, height: 24 };

async function play<Out>(
  engine: Engine<VideoFrame, Out>,
  model: LoadedModel,
  frames: number,
  read: (out: Out) => Promise<Uint8Array>,
): Promise<Uint8Array[]> {
  const { window } = model.manifest;
  const most = Number.POSITIVE_INFINITY;
  const shape = { size: SIZE, ...planStream(model.manifest, SIZE, { encode: most, fuse: most }), slots: window };
  const stream = await engine.open(model, shape);
  const outs: Uint8Array[] = [];
  for (let time = 0; time < frames; time++) {
    const frame = pictureFrame(SIZE.width, SIZE.height, time);
    await stream.pack(frame, time % window);
    frame.close();
    await stream.encode(time % window, time > 0 ? (time - 1) % window : undefined);
    const slots = Array.from({ length: window }, (_, i) => Math.max(0, time - window + 1 + i) % window);
    for (const tile of shape.fuse.tiles) await stream.fuse(slots, tile);
    outs.push(await read(await stream.output({ timestampUs: time * 33333, durationUs: 33333 })));
  }
  stream.dispose();
  return outs;
}

/** How far our kernels are off in one precision. */
export interface Off {
  /** From the golden tile. */
  readonly golden: number;
  readonly tolerance: number;
  /** Lowest PSNR of a stream's pictures against WASM, in dB. */
  readonly psnr: number;
}

/** Our kernels against the golden tile and WASM in each precision that the adapter has. */
export async function precisions(
  name: string,
  compatibility: boolean,
  frames: number,
): Promise<{ core: boolean; off: Partial<Record<'f32' | 'f16', Off>>; lost: string[] }> {
  const level = compatibility ? { featureLevel: 'compatibility' } : {};
  const adapter = await navigator.gpu.requestAdapter(level);
  if (!adapter) throw new Error('There is no such adapter.');
  const lost: string[] = [];
  // Whether frames are imported is found out on a device of the usual adapter, which there may not be.
  const engine = await createNativeEngine({ adapter, textures: false, onLost: (reason) => lost.push(reason) });
  const full = await modelOf(name);
  const reader = new PlaneReader();
  const wasm = new OrtCpuEngine<VideoFrame, Uint8Array>(new OrtRunner(await ortInPage()), () => ({
    read: (frame) => reader.read(frame),
    write: (pixels) => Uint8Array.from(pixels),
  }));
  const expected = await play(wasm, full, frames, async (out) => out);
  wasm.dispose();
  const off: Partial<Record<'f32' | 'f16', Off>> = {};
  for (const precision of engine.half ? (['f32', 'f16'] as const) : (['f32'] as const)) {
    const model = precision === 'f16' ? (halfOf(full) as LoadedModel) : full;
    const tile = goldenTile(model);
    const { tolerance } = tile;
    const golden = worst(await engine.runTile(model, tile.frames, tile), tile.expected);
    const outs = await play(engine, model, frames, pixelsOf);
    off[precision] = {
      golden,
      tolerance,
      psnr: Math.min(...outs.map((out, i) => psnr(out, expected[i] as Uint8Array))),
    };
  }
  await engine.disposed();
  const core = adapter.features.has('core-features-and-limits' as GPUFeatureName);
  return { core, off, lost };
}

/** What one choice came to. */
export interface Chosen {
  /** As statistics describe it. */
  readonly text: string;
  readonly fallbacks: string[];
  /** Whether ONNX Runtime's WebGPU build was fetched for it. */
  readonly ort: boolean;
}

function backendsHere(): Choice<VideoFrame> {
  const folder = new URL('/dist/', location.href).href;
  const engineWorker = `${folder}engine.worker.js`;
  return browserBackends(
    workerAssets({ engineWorker, ort: `${folder}ort`, models: `${folder}models` }),
    () => undefined,
  );
}

/** Choices one after another, each by backends of its own, as workers begin, on an adapter that does not say it is software. */
export async function choices(backends: ('auto' | 'webgpu')[]): Promise<Chosen[]> {
  Object.defineProperty(GPUAdapter.prototype, 'info', {
    get: () => ({ vendor: 'test', architecture: 'gpu', device: '', description: '' }),
  });
  const results: Chosen[] = [];
  for (const backend of backends) {
    const fallbacks: string[] = [];
    performance.clearResourceTimings();
    const verified = await backendsHere().choose(checkBrowserOptions({ backend, model: 'mana-nano-x2' }), {
      fallback: (...told) => void fallbacks.push(told.join(' ')),
    });
    const ort = performance.getEntriesByType('resource').some(({ name }) => name.endsWith('asyncify.wasm'));
    results.push({ text: describe(verified), fallbacks, ort });
    verified.engine.dispose();
  }
  return results;
}

/** The first backend that is passed over for the network as published, and why. */
export function passedOver(): Promise<string> {
  const model = new URL('/test/fixtures/mana-paper/manifest.json', location.href);
  const settings = checkBrowserOptions({ backend: 'webgpu-native', model, scale: 4 });
  return new Promise((resolve, reject) => {
    backendsHere()
      .choose(settings, { fallback: (...told) => resolve(told.join(' ')) })
      .then(({ engine }) => reject(new Error(`${engine.backend} was taken.`)), reject);
  });
}
