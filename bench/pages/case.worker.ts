import type { StageTimes, StreamShape } from '../../src/engine/engine.js';
import type { Ort } from '../../src/engine/ort/runtime.js';
import { packRgb } from '../../src/frame/colour.js';
import type { Size } from '../../src/frame/frame.js';
import { PlaneReader } from '../../src/frame/video-frame.js';
import { workerAssets } from '../../src/media/assets.js';
import { browserBackends } from '../../src/media/browser-backends.js';
import { checkBrowserOptions } from '../../src/media/options.js';
import type { GraphCost } from '../../src/model/manifest.js';
import type { ShippedModel } from '../../src/model/registry.js';
import { computedOverKept } from '../../src/pipeline/tiles.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { cameraFrame, pan } from './pan.js';
import { tooLarge, Yardstick } from './yardstick.js';

/** What one case measures. */
export interface CaseRequest {
  readonly model: ShippedModel;
  readonly size: Size;
  readonly threads: number;
  /** Largest tile in source pixels, halo included; the engine's own choice when not given. */
  readonly maxTilePixels?: number | undefined;
  /** Measuring stops after this long, the yardstick's share included, */
  readonly seconds: number;
  /** but not before this many frames. */
  readonly leastFrames: number;
}

/** What came of it. Times are medians over the frames, in milliseconds. */
export interface CaseResult {
  readonly frames: number;
  readonly stageMs: StageTimes;
  /** One frame, from its arrival in the worker to its output. */
  readonly frameMs: number;
  /** Encode and fuse of one frame. */
  readonly networkMs: number;
  /** Share of a frame's time that is neither encode nor fuse. */
  readonly outsideShare: number;
  /** Multiply-adds of a frame as it is computed, halos and padding included. */
  readonly macs: number;
  readonly tiles: { readonly encode: number; readonly fuse: number };
  /** Multiply-adds of the tiles over those of the padded picture in one piece. */
  readonly computedOverKept: number;
  /** Tiles that were not computed: a measurement of nothing, unless 0. */
  readonly tilesReused: number;
  /** The yardstick, and ours over it (the median of pairs run one after the other), or why there is none. */
  readonly yardstick: { readonly ms: number; readonly ratio: number } | { readonly skipped: string };
}

const PICTURES = 24;
const WARM_UP_MS = 700;

addEventListener('message', ({ data }: MessageEvent<CaseRequest>) => {
  measure(data).then(
    (result) => postMessage({ result }),
    (thrown) => postMessage({ error: String(thrown) }),
  );
});

async function measure(request: CaseRequest): Promise<CaseResult> {
  const { model: name, size, threads, maxTilePixels, seconds, leastFrames } = request;
  const assets = workerAssets({ engineWorker: '/dist/engine.worker.js', ort: '/dist/ort/', models: '/dist/models/' });
  const settings = checkBrowserOptions({ model: name, backend: 'wasm', threads, budgetMs: Number.POSITIVE_INFINITY });
  const { engine, model } = await browserBackends(assets, () => undefined).choose(settings);
  if (!engine.description.includes(`${threads} thread`)) throw new Error(`The engine took ${engine.description}.`);
  let shape: StreamShape | undefined;
  const open = engine.open.bind(engine);
  engine.open = (loaded, wanted) => {
    shape = wanted;
    return open(loaded, wanted);
  };
  const upscaler = await Upscaler.open(engine, model, {
    size,
    lookahead: settings.lookahead,
    ...(maxTilePixels === undefined ? {} : { maxTilePixels }),
    emit: (frame) => frame.close(),
  });
  if (!shape) throw new Error('The engine was not opened.');

  const pictures = (await pan(PICTURES, size)).map((bytes) => cameraFrame(bytes, size, 0));
  let pushed = 0;
  const ours = async (): Promise<number> => {
    const start = performance.now();
    await upscaler.push(pictures[pushed % PICTURES] as VideoFrame, {
      times: { timestampUs: pushed++ * 40_000 },
      arrivedMs: start,
      release: () => undefined,
    });
    return performance.now() - start;
  };

  const { picture } = shape.encode;
  const skipped = tooLarge(model, picture);
  let yardstick: Yardstick | undefined;
  if (!skipped) {
    const packed = new Float32Array(3 * picture.width * picture.height);
    packRgb(await new PlaneReader().read(pictures[0] as VideoFrame), packed, picture.width, picture.height);
    // The module that the engine has loaded: one runtime, one set of threads.
    yardstick = await Yardstick.open(
      (await import(/* @vite-ignore */ assets.ort.wasm.api)) as Ort,
      model,
      picture,
      packed,
    );
  }
  const theirs = async (): Promise<number> => {
    const start = performance.now();
    await yardstick?.run();
    return performance.now() - start;
  };

  const warm = performance.now() + WARM_UP_MS;
  do {
    await ours();
    if (upscaler.counts.framesFused > 0) await theirs();
  } while (upscaler.counts.framesFused === 0 || performance.now() < warm);

  const samples: { frame: number; stages: StageTimes; yardstick: number }[] = [];
  const end = performance.now() + seconds * 1000;
  while (samples.length < leastFrames || performance.now() < end) {
    // Which of the two goes first changes, so that neither always finds the caches as the other left them.
    const theirsFirst = samples.length % 2 === 1;
    let yardstickMs = theirsFirst ? await theirs() : 0;
    const before = { ...upscaler.times };
    const frame = await ours();
    const stages = difference(upscaler.times, before);
    if (!theirsFirst) yardstickMs = await theirs();
    samples.push({ frame, stages, yardstick: yardstickMs });
  }
  for (const frame of pictures) frame.close();

  const of = (value: (sample: (typeof samples)[number]) => number): number => median(samples.map(value));
  const stageMs = { ...upscaler.times };
  for (const stage of Object.keys(stageMs) as (keyof StageTimes)[]) stageMs[stage] = of(({ stages }) => stages[stage]);
  const { encode, fuse } = model.manifest;
  const macs = macsOf(encode, shape.encode) + macsOf(fuse, shape.fuse);
  return {
    frames: samples.length,
    stageMs,
    frameMs: of(({ frame }) => frame),
    networkMs: of(({ stages }) => stages.encode + stages.fuse),
    outsideShare: of(({ frame, stages }) => 1 - (stages.encode + stages.fuse) / frame),
    macs,
    tiles: { encode: shape.encode.tiles.length, fuse: shape.fuse.tiles.length },
    computedOverKept: macs / ((encode.macsPerPixel + fuse.macsPerPixel) * picture.width * picture.height),
    tilesReused: upscaler.counts.tilesReused,
    yardstick: skipped
      ? { skipped }
      : { ms: of(({ yardstick }) => yardstick), ratio: of(({ frame, yardstick }) => frame / yardstick) },
  };
}

function macsOf({ macsPerPixel }: GraphCost, plan: StreamShape['encode']): number {
  return macsPerPixel * computedOverKept(plan) * plan.picture.width * plan.picture.height;
}

function difference(now: StageTimes, before: StageTimes): StageTimes {
  const stages = { ...now };
  for (const stage of Object.keys(stages) as (keyof StageTimes)[]) stages[stage] = now[stage] - before[stage];
  return stages;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}
