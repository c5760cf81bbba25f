import type { LoadedModel, StreamShape, TilePlan } from '../../src/engine/engine.js';
import type { Precision, Tuning } from '../../src/engine/native/conv.js';
import { nativeCost } from '../../src/engine/native/cost.js';
import { readInitialisers } from '../../src/engine/native/initialisers.js';
import { liveSettings } from '../../src/engine/native/settings.js';
import { createNativeEngine, type Tunings } from '../../src/engine/native/webgpu.js';
import type { OrtRuntime } from '../../src/engine/ort/runtime.js';
import { createWebGpuEngine } from '../../src/engine/ort/webgpu.js';
import type { WebGpuEngine } from '../../src/engine/webgpu/engine.js';
import type { Size } from '../../src/frame/frame.js';
import { planStream } from '../../src/pipeline/tiles.js';
import type { Adapter } from './adapter.js';
import { pictures } from './pictures.js';
import { inTurns, repeats, type Turns } from './rounds.js';
import { Side } from './side.js';

/** One network at one size in one precision. */
export interface Case {
  readonly name: string;
  readonly model: LoadedModel;
  readonly size: Size;
  readonly precision: Precision;
}

/** What a case came to. */
export interface Outcome {
  readonly of: Case;
  /** Milliseconds of a frame from submitting to having been done. */
  readonly wall: Turns;
  /** The same on the GPU's clock, where it has one for us. */
  readonly gpu: Turns | undefined;
  /** Multiply-adds of a frame, halos of tiles included: the same for both. */
  readonly macs: number;
  /** Bytes of a low-resolution pixel by our kernels. */
  readonly bytes: Traffic;
  /** The largest difference between the two pictures, in levels of 255. */
  readonly levels: number;
}

/** What kernels ask memory for, and what they cannot do without: every plane written and read once by each. */
export interface Traffic {
  readonly moved: number;
  readonly ideal: number;
}

/** What a contest is held with. */
export interface Ring {
  readonly adapter: Adapter;
  readonly runtime: OrtRuntime;
  readonly tuning: Tuning;
  readonly rounds: number;
  /** What one measurement of one engine takes, about. */
  readonly roundMs: number;
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

/** Most frames that are in the GPU's queue at a time. */
const MOST_FRAMES = 60;

/** A frame of a network on our engine, for the tuner: how long it takes, again and again. */
export async function nativeTrial(
  { adapter, model, size }: { adapter: Adapter; model: LoadedModel; size: Size },
  tuning: Tuning,
  roundMs: number,
) {
  const engine = await createNativeEngine({
    adapter: await adapter.request(),
    textures: false,
    tunings: bothWays(tuning),
  });
  try {
    const shape = shapeOf(model, size, [engine]);
    const side = new Side(engine, model, shape);
    await side.open('wall', pictures(shape.encode.picture, shape.slots));
    let frames = 1;
    return {
      run: async () => {
        const ms = await side.wall(frames);
        frames = repeats(ms, roundMs, MOST_FRAMES);
        return ms;
      },
      close: async () => {
        await side.close();
        await engine.disposed();
      },
    };
  } catch (thrown) {
    await engine.disposed();
    throw thrown;
  }
}

/** Holds our engine against ONNX Runtime on one case, in turns. */
export async function contest(of: Case, ring: Ring): Promise<Outcome> {
  const { adapter, runtime, tuning, rounds, roundMs, onStep, signal } = ring;
  const engines: WebGpuEngine[] = [];
  const sides: Side[] = [];
  try {
    onStep('compiling');
    engines.push(
      await createNativeEngine({ adapter: await adapter.request(), textures: false, tunings: bothWays(tuning) }),
    );
    engines.push(await createWebGpuEngine({ adapter: await adapter.request(), textures: false, runtime }));
    const shape = shapeOf(of.model, of.size, engines);
    const [ours, theirs] = engines.map((engine) => new Side(engine, of.model, shape)) as [Side, Side];
    sides.push(ours, theirs);
    const scenes = pictures(shape.encode.picture, shape.slots);
    for (const side of sides) await side.open('wall', scenes);
    const levels = difference(await ours.pixels(), await theirs.pixels());
    const frames = [1, 1];
    for (const [i, side] of sides.entries()) {
      // The first one warms up.
      await side.wall(1);
      frames[i] = repeats(await side.wall(1), roundMs, MOST_FRAMES);
    }
    const [a = 1, b = 1] = frames;
    const before = (clock: string) => (round: number) => {
      signal.throwIfAborted();
      onStep(`${clock}, round ${round + 1} of ${rounds}`);
    };
    const wall = await inTurns(
      () => ours.wall(a),
      () => theirs.wall(b),
      rounds,
      before('wall clock'),
    );
    if (!wall) throw new Error('This browser’s clock is too coarse.');
    let gpu: Turns | undefined;
    if (engines.every((engine) => engine.gpu.device.features.has('timestamp-query'))) {
      for (const side of sides) await side.open('gpu', scenes);
      gpu = await inTurns(
        () => ours.gpu(a),
        () => theirs.gpu(b),
        rounds,
        before('GPU clock'),
      );
    }
    return {
      of,
      wall,
      gpu,
      macs: macsOf(of.model, shape),
      bytes: trafficOf(of, tuning),
      levels,
    };
  } finally {
    // Streams of a lost device do not wait for it.
    for (const side of sides) await side.close();
    for (const engine of engines) await engine.disposed();
  }
}

const bothWays = (tuning: Tuning): Tunings => ({ f32: tuning, f16: tuning });

/** The tiles that all of these engines can run. */
function shapeOf(model: LoadedModel, size: Size, engines: readonly WebGpuEngine[]): StreamShape {
  const { manifest } = model;
  const most = (graph: 'encode' | 'fuse') => Math.min(...engines.map((one) => one.maxTilePixels(manifest[graph])));
  return {
    size,
    ...planStream(manifest, size, { encode: most('encode'), fuse: most('fuse') }),
    slots: manifest.window,
  };
}

function trafficOf({ model: { manifest, files }, precision }: Case, tuning: Tuning): Traffic {
  const weights = (file: string) => readInitialisers(files.get(file) ?? new Uint8Array()).weights;
  const settings = liveSettings(manifest, weights(manifest.encode.file), weights(manifest.fuse.file));
  const { bytesLoaded, bytesStored, idealBytes } = nativeCost(settings, precision, tuning);
  return { moved: bytesLoaded + bytesStored, ideal: idealBytes };
}

function macsOf({ manifest }: LoadedModel, { encode, fuse }: StreamShape): number {
  const pixels = ({ tiles, tileSize }: TilePlan) => tiles.length * tileSize.width * tileSize.height;
  return pixels(encode) * manifest.encode.macsPerPixel + pixels(fuse) * manifest.fuse.macsPerPixel;
}

function difference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) throw new Error('The engines answer pictures of different sizes.');
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    if (i % 4 < 3) most = Math.max(most, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
  }
  return most;
}
