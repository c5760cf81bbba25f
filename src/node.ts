/**
 * The operator for Node: frames in memory go in and come out. The same pipeline as in the browser, no browser objects.
 * @module
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { OperatorFunction } from 'rxjs';
import type { LoadedModel } from './engine/engine.js';
import { OrtCpuEngine } from './engine/ort/cpu.js';
import { ortRuntime } from './engine/ort/runtime.js';
import { verify } from './engine/verify.js';
import { checkFrame } from './frame/check.js';
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
const models = new Map<string, Promise<{ engine: NodeEngine; model: LoadedModel }>>();

/**
 * An RxJS operator that upscales frames in memory. A frame's buffer belongs to the operator until its output is out.
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
    ({ emit }) => openLane(checked, threads, emit, onFallback),
    () => undefined,
  );
}

function openLane(
  options: CheckedUpscaleOptions,
  threads: number,
  emit: (frame: PlanarFrame) => void,
  onFallback: ((reason: UpscaleError) => void) | undefined,
): Lane<PlanarFrame> {
  /** Frames that went in and have not come out: what is enlarged without the network when it fails. */
  let waiting: PlanarFrame[] = [];
  const open = (): UpscaleSession<PlanarFrame, PlanarFrame> =>
    new UpscaleSession<PlanarFrame, PlanarFrame>({
      clock: realClock,
      budgetMs: options.budgetMs,
      failed: fail,
      open: async (size) => {
        const { engine: started, model } = await verified(options, threads);
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
    tell(thrown);
    session.dispose();
    session = open();
    const frames = waiting;
    waiting = [];
    for (const frame of frames) emit(bilinear(frame, options.scale));
  };

  let session = open();
  const handle = async (frame: PlanarFrame): Promise<void> => {
    try {
      checkFrame(frame);
    } catch (thrown) {
      tell(thrown);
      return;
    }
    waiting.push(frame);
    const { width, height, timestampUs, durationUs } = frame;
    await session.push({
      frame,
      times: durationUs === undefined ? { timestampUs } : { timestampUs, durationUs },
      size: { width, height },
      arrivedMs: realClock.now(),
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
      mailbox.close();
      session.dispose();
      waiting = [];
    },
  };
}

/** The engine and a model, checked once against each other. A model that is not there is asked for again next time. */
function verified(
  { model, scale }: CheckedUpscaleOptions,
  threads: number,
): Promise<{ engine: NodeEngine; model: LoadedModel }> {
  let checked = models.get(model);
  if (!checked) {
    checked = (async () => {
      engine ??= startEngine(threads);
      const loaded = await loader.load({ manifest: manifestUrl(model) });
      if (loaded.manifest.scale !== scale) {
        throw new UpscaleError('model-invalid', `The model enlarges ${loaded.manifest.scale} times, not ${scale}.`);
      }
      await verify(await engine, loaded);
      return { engine: await engine, model: loaded };
    })();
    checked.catch(() => models.delete(model));
    models.set(model, checked);
  }
  return checked;
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

function manifestUrl(model: string): string {
  if (model !== 'auto' && !isShipped(model)) return model;
  return new URL(`./models/${model === 'auto' ? 'mana-nano-x2' : model}/manifest.json`, import.meta.url).href;
}
