/**
 * The operator for Node: frames in memory go in and come out. The same pipeline as in the browser, no browser objects.
 * @module
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { OperatorFunction } from 'rxjs';
import { OrtCpuEngine } from './engine/ort/cpu.js';
import { ortRuntime } from './engine/ort/runtime.js';
import { verify } from './engine/verify.js';
import { UpscaleError } from './frame/errors.js';
import type { PlanarFrame } from './frame/frame.js';
import { fetchBytes, ModelLoader } from './model/loader.js';
import { isShipped } from './model/registry.js';
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
export { SHIPPED_MODELS, type ShippedModel } from './model/registry.js';
export type { UpscaleOptions } from './pipeline/options.js';

/** Settings of {@link manaUpscale} in Node. */
export interface NodeUpscaleOptions extends UpscaleOptions {
  /** WASM threads, for the whole process; the first use decides. Default 1. */
  readonly threads?: number;
  /** Told when the network cannot be used and frames are enlarged bilinearly instead. */
  readonly onFallback?: (reason: UpscaleError) => void;
}

type NodeEngine = OrtCpuEngine<PlanarFrame, PlanarFrame>;

const loader = new ModelLoader(async (url) =>
  url.startsWith('file:') ? readFile(fileURLToPath(url)) : fetchBytes(url),
);
let engine: Promise<NodeEngine> | undefined;

/**
 * An RxJS operator that upscales frames in memory.
 *
 * A newer frame replaces one that waits while the network is busy, so a source faster than the network loses frames but
 * never builds up delay. Output frames are `RGBX`, carry the timestamps of their source and own their bytes. When the
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
    (emit) => openLane(checked, threads, emit, onFallback),
    () => undefined,
  );
}

function openLane(
  options: CheckedUpscaleOptions,
  threads: number,
  emit: (frame: PlanarFrame) => void,
  onFallback: ((reason: UpscaleError) => void) | undefined,
): Lane<PlanarFrame> {
  const fallBack = (thrown: unknown): void => {
    onFallback?.(
      thrown instanceof UpscaleError
        ? thrown
        : new UpscaleError('engine-failed', 'The network failed on a frame.', { cause: thrown }),
    );
  };
  const session = new UpscaleSession<PlanarFrame, PlanarFrame>({
    clock: realClock,
    budgetMs: options.budgetMs,
    failed: fallBack,
    open: async (size) => {
      engine ??= startEngine(threads);
      const model = await loader.load({ manifest: manifestUrl(options.model) });
      const started = await engine;
      await verify(started, model);
      return Upscaler.open(started, model, { size, lookahead: options.lookahead, emit });
    },
  });
  const handle = async (frame: PlanarFrame): Promise<void> => {
    try {
      const { width, height } = frame;
      await session.push({
        frame,
        times: frame,
        size: { width, height },
        arrivedMs: realClock.now(),
        release: () => {},
      });
    } catch (thrown) {
      fallBack(thrown);
      emit(bilinear(frame, options.scale));
    }
  };
  const mailbox = new Mailbox<PlanarFrame>(handle, () => undefined, fallBack);
  return {
    push: (frame) => mailbox.offer(frame),
    finish: async () => {
      await mailbox.idle();
      await session.flush();
    },
    dispose: () => {
      mailbox.close();
      session.dispose();
    },
  };
}

async function startEngine(threads: number): Promise<NodeEngine> {
  const ort = await import('onnxruntime-web');
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = threads;
  return new OrtCpuEngine<PlanarFrame, PlanarFrame>('wasm', ortRuntime(ort, threads), {
    read: (frame) => frame,
    write: (pixels, { width, height }, times) => rgbx(pixels.slice(), width, height, times),
  });
}

function manifestUrl(model: string): string {
  if (model !== 'auto' && !isShipped(model)) return model;
  return new URL(`./models/${model === 'auto' ? 'mana-nano-x2' : model}/manifest.json`, import.meta.url).href;
}
