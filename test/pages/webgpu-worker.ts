import { lastValueFrom, Subject, tap } from 'rxjs';
import { manaUpscale, type UpscaleStats } from '/dist/index.js';
import { workerAssets } from '../../src/media/assets.js';
import { browserBackends } from '../../src/media/browser-backends.js';
import { checkBrowserOptions } from '../../src/media/options.js';
import { bytesOf, sleep, until, viewFrame } from './sources.js';

const MINUTES = 600_000;
const LOOKAHEAD = 1;

/** Pixels of frames 5 to 7 of the pan, each from the window around it, as a backend makes them in the workers. */
async function outputs(
  backend: 'wasm' | 'webgpu' | 'webgpu-native',
): Promise<{ backend: string | null; pixels: Uint8Array[] }> {
  const source = new Subject<VideoFrame>();
  const pixels = new Map<number, Uint8Array>();
  const copies: Promise<void>[] = [];
  let indices: number[] = [];
  let out = 0;
  let pushed = 0;
  let latest: UpscaleStats | undefined;
  const done = lastValueFrom(
    source.pipe(
      manaUpscale({
        backend,
        model: 'mana-nano-x2',
        budgetMs: MINUTES,
        minFrameRate: 0,
        lookahead: LOOKAHEAD,
        onStats: (stats) => {
          latest = stats;
        },
      }),
      tap((frame) => {
        out++;
        const index = indices[frame.timestamp];
        if (index === undefined) frame.close();
        else copies.push(bytesOf(frame).then((bytes) => void pixels.set(index, bytes)));
      }),
    ),
  );
  let time = 0;
  const push = async (index: number): Promise<void> => {
    indices[time] = index;
    source.next(await viewFrame(index, 24, 16, time++));
    pushed++;
  };
  // A still picture until the network makes it, then the pan, one frame at a time.
  while (latest?.lookahead !== LOOKAHEAD) {
    await push(0);
    await sleep(100);
  }
  const used = latest.backend;
  // Some of those were dropped; from here on every frame in is a frame out.
  await until('the others', () => {
    const dropped = Object.values(latest?.framesDropped ?? {}).reduce((sum, frames) => sum + frames, 0);
    return pushed - dropped - out === LOOKAHEAD;
  });
  indices = [];
  const before = out;
  for (let index = 1; index <= 10; index++) {
    await push(index);
    await until(`frame ${index}`, () => out >= before + index);
  }
  source.complete();
  await done;
  await Promise.all(copies);
  return { backend: used, pixels: [5, 6, 7].map((index) => pixels.get(index) ?? new Uint8Array()) };
}

let onWasm: ReturnType<typeof outputs> | undefined;

/** Largest difference of a backend from WASM, in levels, for three frames. */
export async function againstWasmInWorkers(
  backend: 'webgpu' | 'webgpu-native',
): Promise<{ backends: (string | null)[]; levels: number[] }> {
  onWasm ??= outputs('wasm');
  const wasm = await onWasm;
  const webgpu = await outputs(backend);
  const levels = wasm.pixels.map((pixels, i) => {
    const other = webgpu.pixels[i] as Uint8Array;
    if (pixels.length === 0 || pixels.length !== other.length) return Number.MAX_VALUE;
    return pixels.reduce((worst, value, at) => Math.max(worst, Math.abs(value - (other[at] as number))), 0);
  });
  return { backends: [wasm.backend, webgpu.backend], levels };
}

/** What the choice of a backend came to. */
export interface Choice {
  readonly backend: string;
  readonly fallbacks: string[];
}

/** Chooses a backend; with `sabotage`, every maximum that the GPU computes (each ReLU is one) is a minimum. */
export async function choosing(backend: 'auto' | 'webgpu', sabotage: boolean): Promise<Choice> {
  const create = GPUDevice.prototype.createShaderModule;
  if (sabotage) {
    GPUDevice.prototype.createShaderModule = function (descriptor) {
      return create.call(this, { ...descriptor, code: descriptor.code.replaceAll(/\bmax\(/g, 'min(') });
    };
  }
  const folder = new URL('/dist/', location.href).href;
  const assets = workerAssets({
    engineWorker: `${folder}engine.worker.js`,
    ort: `${folder}ort`,
    models: `${folder}models`,
  });
  const fallbacks: string[] = [];
  const backends = browserBackends(assets, () => undefined);
  const settings = checkBrowserOptions({ backend, model: 'mana-nano-x2' });
  const { engine } = await backends.choose(settings, {
    fallback: (...reason) => void fallbacks.push(reason.join(' ')),
  });
  GPUDevice.prototype.createShaderModule = create;
  return { backend: engine.backend, fallbacks };
}
