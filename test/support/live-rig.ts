import { vi } from 'vitest';
import type { Comparison, EngineStream, LoadedModel, StreamShape } from '../../src/engine/engine.js';
import { noTimes } from '../../src/engine/engine.js';
import { UpscaleError } from '../../src/frame/errors.js';
import type { Choice, Verified } from '../../src/live/backends.js';
import { hostEngine } from '../../src/live/engine-host.js';
import { EngineLink } from '../../src/live/engine-link.js';
import { IoStream } from '../../src/live/io-stream.js';
import type { StreamSettings } from '../../src/live/protocol.js';
import type { MessageScope } from '../../src/live/scope.js';
import type { UpscaleEvent } from '../../src/live/stats.js';
import type { BrowserPlatform, WorkerAssets } from '../../src/media/browser-platform.js';
import { VIDEO_FRAMES } from '../../src/media/frame-shape.js';
import { checkBrowserOptions } from '../../src/media/options.js';

/**
 * The live core in virtual time: the real `io` stream, link, hosts, sessions and pipelines, around an engine whose work is
 * waiting. Frames are counted, so that none is lost. Policy is what is tested with it; pixels are tested in browsers.
 */
export const world = {
  /** What a frame takes in each model, in milliseconds: two fifths to encode, the rest to fuse. */
  costMs: { 'mana-live-x2': 20, 'mana-nano-x2': 5 } as Record<string, number>,
  /** The next fusion takes so long. */
  stallMs: 0,
  /** Largest tile of a fusion. */
  tilePixels: Number.POSITIVE_INFINITY,
  /** Opens of pipelines for this width are refused. */
  refusedWidth: 0,
  /** Frames that are open. */
  open: 0,
  /** Streams that engines hold. */
  streams: 0,
  workers: 0,
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** As much of a VideoFrame as policy touches. */
class CountedFrame {
  readonly format = 'I420';
  readonly duration = null;
  readonly visibleRect: { width: number; height: number };
  readonly displayWidth: number;
  readonly displayHeight: number;
  readonly timestamp: number;
  #open = true;

  constructor(source: CountedFrame | undefined, init: Partial<VideoFrameBufferInit> = {}) {
    const width = init.codedWidth ?? source?.visibleRect.width ?? 0;
    const height = init.codedHeight ?? source?.visibleRect.height ?? 0;
    this.visibleRect = { width, height };
    this.displayWidth = init.displayWidth ?? source?.displayWidth ?? width;
    this.displayHeight = init.displayHeight ?? source?.displayHeight ?? height;
    this.timestamp = init.timestamp ?? source?.timestamp ?? 0;
    world.open++;
  }

  close(): void {
    if (this.#open) world.open--;
    this.#open = false;
  }
}

function frameOf(timestamp: number, width: number, height: number): VideoFrame {
  return new CountedFrame(undefined, { codedWidth: width, codedHeight: height, timestamp }) as unknown as VideoFrame;
}

let models: ReadonlyMap<string, LoadedModel> = new Map();

/** One thing after another, as ONNX Runtime works. */
class Exclusive {
  #last: Promise<unknown> = Promise.resolve();

  run(ms: () => number): Promise<void> {
    const work = async (): Promise<void> => sleep(ms());
    const next = this.#last.then(work, work);
    this.#last = next;
    return next;
  }
}

/** Stands in for the backends of the engine worker. */
class Sleepers implements Choice<VideoFrame> {
  readonly #runtime = new Exclusive();

  async choose(settings: StreamSettings): Promise<Verified<VideoFrame>> {
    await sleep(30);
    const name = settings.model === 'auto' ? 'mana-live-x2' : String(settings.model);
    const model = models.get(name);
    const cost = (): number => world.costMs[name] ?? 20;
    const engine = {
      backend: 'webgpu',
      half: false,
      lanes: 1,
      description: 'sleeps',
      maxTilePixels: ({ macsPerPixel }: { macsPerPixel: number }) =>
        macsPerPixel === model?.manifest.fuse.macsPerPixel ? world.tilePixels : Number.POSITIVE_INFINITY,
      open: async (_: LoadedModel, shape: StreamShape) => this.#stream(shape, model?.manifest.align ?? 8, cost),
    };
    return { engine, model } as unknown as Verified<VideoFrame>;
  }

  async check(): Promise<void> {}

  #stream(
    { encode, fuse, size }: StreamShape,
    align: number,
    cost: () => number,
  ): EngineStream<VideoFrame, VideoFrame> {
    if (size.width === world.refusedWidth)
      throw new UpscaleError('backend-unavailable', 'There is no memory for that.');
    world.streams++;
    const cells = (encode.picture.width / align) * (encode.picture.height / align);
    const thumbnail = Float32Array.from({ length: 576 }, (_, i) => ((i * 7919) % 101) / 101);
    const comparison = (): Comparison => ({ changed: new Uint8Array(cells).fill(1), thumbnail: thumbnail.slice() });
    return {
      times: noTimes(),
      timed: 'wall',
      bytes: 0,
      pack: () => sleep(1),
      compare: comparison,
      encode: () => this.#runtime.run(() => cost() * 0.4),
      repeat: async () => undefined,
      fuse: () =>
        this.#runtime.run(() => {
          const stall = world.stallMs;
          world.stallMs = 0;
          return stall || (cost() * 0.6) / fuse.tiles.length;
        }),
      enlarge: async () => undefined,
      settled: async () => undefined,
      retire: () => undefined,
      output: async ({ timestampUs }) => frameOf(timestampUs, size.width * 2, size.height * 2),
      dispose: () => {
        world.streams--;
      },
    };
  }
}

/** A worker that is none: messages arrive in later turns, and frames that are sent are gone here. */
function startWorker(): Worker {
  world.workers++;
  const page = new EventTarget();
  let dead = false;
  let receive: (event: MessageEvent) => void = () => undefined;
  const gone = (message: { frame?: VideoFrame }): void => message.frame?.close();
  const scope: MessageScope = {
    postMessage: (message) => {
      queueMicrotask(() => {
        if (dead) gone(message as object);
        else page.dispatchEvent(new MessageEvent('message', { data: message }));
      });
    },
    addEventListener: (_type, listener) => {
      receive = listener;
    },
  };
  hostEngine<BrowserPlatform>(scope, () => new Sleepers());
  return Object.assign(page, {
    postMessage: (message: { frame?: VideoFrame }) => {
      setTimeout(() => (dead ? gone(message) : receive(new MessageEvent('message', { data: message }))), 0.2);
    },
    terminate: () => {
      dead = true;
    },
  }) as unknown as Worker;
}

/** A stream of the rig. */
export interface LiveStream {
  readonly io: IoStream<BrowserPlatform>;
  readonly out: { readonly timestamp: number; readonly atMs: number }[];
  readonly events: UpscaleEvent[];
}

/** Begins virtual time and gives what opens streams. */
export function liveRig(loaded: ReadonlyMap<string, LoadedModel>): {
  link: EngineLink<BrowserPlatform>;
  open(id: number, options?: Parameters<typeof checkBrowserOptions>[0]): LiveStream;
} {
  models = loaded;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] });
  vi.stubGlobal('VideoFrame', CountedFrame);
  const link = new EngineLink<BrowserPlatform>({ engineWorker: '' } as WorkerAssets, startWorker);
  return {
    link,
    open: (id, options = {}) => {
      const out: LiveStream['out'] = [];
      const events: UpscaleEvent[] = [];
      const write = (frame: VideoFrame): boolean => {
        out.push({ timestamp: frame.timestamp, atMs: performance.now() });
        frame.close();
        return true;
      };
      const settings = checkBrowserOptions({ model: 'mana-live-x2', ...options });
      const io = new IoStream<BrowserPlatform>(
        id,
        settings,
        VIDEO_FRAMES,
        link,
        { write, close: async () => undefined },
        (event) => events.push(event),
      );
      return { io, out, events };
    },
  };
}

/** Pushes `count` frames, one every 33 ms, into each stream; gives the time of the frame after them. */
export async function feed(
  streams: readonly IoStream<BrowserPlatform>[],
  count: number,
  fromUs: number,
  widths = [192, 64],
): Promise<number> {
  let timestamp = fromUs;
  for (let i = 0; i < count; i++, timestamp += 33_333) {
    for (const [at, io] of streams.entries()) {
      const width = widths[at] ?? 64;
      io.push(frameOf(timestamp, width, (width / 3) * 2));
    }
    await vi.advanceTimersByTimeAsync(33.333);
  }
  return timestamp;
}
