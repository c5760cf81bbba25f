import { availableParallelism } from 'node:os';
import { LiveClient } from '../../live/client.js';
import type { StreamSettings } from '../../live/protocol.js';
import type { UpscaleEvent, UpscaleStats } from '../../live/stats.js';
import { checkNodeOptions, type NodeStreamOptions } from '../../node/options.js';
import { startThread, threadsEnded } from '../../node/threads.js';
import { Medians } from '../../pipeline/medians.js';
import type { CodecLibrary } from '../codecs/load.js';
import type { OpenProcessor, ProcessorListener, VideoProcessor } from '../processor.js';
import type { CodedPlatform, CodedThread } from './coded-platform.js';

/** Choices for {@link processors}. */
export interface ProcessorOptions extends NodeStreamOptions {
  /** Threads that decode and encode, each with a thread of its own for networks. Default: one for each core. */
  readonly workers?: number;
  /** Default `node-av`. */
  readonly library?: CodecLibrary;
  /** Larger source pictures are refused. Default 1920 x 1080. */
  readonly maxPixels?: number;
  /** Source pictures that would become larger than this are forwarded as they are. Default 3840 x 2160. */
  readonly maxOutputPixels?: number;
  /** Bits a second of an upscaled stream until viewers say what they can take. Default 2,000,000. */
  readonly bitrate?: number;
}

/** Pictures that may be on their way to a decoder; more, and the machine is too busy for this stream. */
const MOST_INSIDE = 12;
/** Arrivals that are remembered: more than can be inside. */
const MOST_ARRIVALS = 64;
const TELL_DELAY_EVERY_MS = 250;
/** Threads that failed are followed by others after this long. */
const RETRY_MS = 1_000;

/** What is told of all streams. */
export interface ProcessorsListener {
  /** A stream's figures, a few times a second. */
  stats?(stats: UpscaleStats): void;
  /** What happened to a stream. */
  event?(event: UpscaleEvent): void;
}

/** Upscaling on a pool of threads. */
export interface Processors {
  /** Opens one stream, on the thread that has the fewest. */
  readonly open: OpenProcessor;
  /** Streams that are open. */
  readonly size: number;
  /**
   * Source pixels a second that the network could make for one stream, as many as are open: measured, and infinite before
   * it has made any.
   */
  readonly pixelsPerSecond: number;
  /** Settles when the threads have ended, once all streams are closed: before that the process must not exit. */
  ended(): Promise<void>;
}

/**
 * Makes what upscales the server's streams. Threads are started with the first stream and ended with the last.
 * @param told receives each stream's figures and events
 * @throws TypeError when an option is wrong
 */
export function processors(options: ProcessorOptions = {}, told: ProcessorsListener = {}): Processors {
  const { workers = availableParallelism(), library = 'node-av' } = options;
  const { maxPixels = 1920 * 1080, maxOutputPixels = 3840 * 2160, bitrate = 2_000_000 } = options;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new TypeError('options.workers, when provided, must be a positive integer.');
  }
  const settings: StreamSettings = {
    ...checkNodeOptions({ threads: 1, ...options }),
    followTo: maxOutputPixels,
  };
  const thread: CodedThread = { library, maxPixels };
  const start = () => ({
    worker: startThread(new URL('./media.thread.js', import.meta.url), 'mana-media', thread),
    assets: { engineWorker: new URL('./engine.thread.js', import.meta.url).href },
  });
  const pool = Array.from({ length: workers }, () => new LiveClient<CodedPlatform>());
  /** Milliseconds of a pixel of the source. */
  const costs = new Medians(31);
  const measured: ProcessorsListener = {
    ...told,
    stats: (stats) => {
      const { level, inputSize, stageMs } = stats;
      const ms = Object.values(stageMs).reduce((sum, stage) => sum + stage, 0);
      if (inputSize && ms > 0 && (level === 'full' || level === 'short')) {
        costs.add(ms / (inputSize.width * inputSize.height));
      }
      told.stats?.(stats);
    },
  };
  return {
    get size() {
      return pool.reduce((sum, { size }) => sum + size, 0);
    },
    get pixelsPerSecond() {
      const most = Math.max(1, ...pool.map(({ size }) => size));
      return 1000 / (costs.median ?? 0) / most;
    },
    ended: threadsEnded,
    open: ({ codec }, listener) => {
      const client = pool.reduce((idlest, other) => (other.size < idlest.size ? other : idlest));
      return new Processor(client, start, settings, { codec, bitrate }, listener, measured);
    },
  };
}

class Processor implements VideoProcessor {
  #stream: ReturnType<LiveClient<CodedPlatform>['open']>;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** When pictures came that have not come out, by their time. */
  readonly #arrivals = new Map<number, number>();
  readonly #delays = new Medians(31);
  #inside = 0;
  /** What follows a picture that was left out cannot be decoded. */
  #broken = false;
  #forwarding = false;
  /** Other threads have begun, and what they make has not come yet. */
  #again = false;
  #toldMs = 0;
  #over = false;

  constructor(
    readonly client: LiveClient<CodedPlatform>,
    readonly start: Parameters<LiveClient<CodedPlatform>['open']>[0],
    readonly settings: StreamSettings,
    readonly choices: { readonly codec: 'vp8' | 'h264'; bitrate: number },
    readonly listener: ProcessorListener,
    readonly told: ProcessorsListener,
  ) {
    this.#stream = this.#open();
  }

  #open(): ReturnType<LiveClient<CodedPlatform>['open']> {
    const { codec, bitrate } = this.choices;
    const ends = { source: { codec }, sink: { codec, bitrate } };
    return this.client.open(this.start, this.settings, ends, {
      stats: (stats) => this.told.stats?.(stats),
      event: (event) => {
        if (this.#over) return;
        this.told.event?.(event);
        if (event.type === 'level') this.listener.level(event.to, event.reason);
      },
      tell: (tell) => this.#hear(tell),
      ended: (error) => this.#lose(error?.message ?? 'The threads that upscale it have ended.'),
    });
  }

  /** Without its threads nothing can be upscaled: what was sent has to do, until others have been started. */
  #lose(reason: string): void {
    if (this.#over || this.#retry) return;
    this.#inside = 0;
    this.#broken = true;
    this.#arrivals.clear();
    this.listener.level('pass-through', reason);
    if (!this.#forwarding) this.#forward(true);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#stream = this.#open();
      this.#again = true;
      this.listener.keyframeWanted();
    }, RETRY_MS);
  }

  push(picture: Parameters<VideoProcessor['push']>[0]): boolean {
    if (this.#over || this.#retry) return false;
    if (this.#inside >= MOST_INSIDE) this.#broken = true;
    else if (picture.key) this.#broken = false;
    if (this.#broken) {
      if (this.#inside < MOST_INSIDE) this.listener.keyframeWanted();
      return false;
    }
    const now = performance.now();
    this.#inside++;
    this.#arrivals.set(picture.timestampUs, now);
    if (this.#arrivals.size > MOST_ARRIVALS) this.#arrivals.delete(this.#arrivals.keys().next().value as number);
    const { data } = picture;
    const whole = data.byteLength === data.buffer.byteLength;
    const owned = whole ? picture : { ...picture, data: Uint8Array.from(data) };
    const ask = { type: 'picture', picture: owned, arrivedMs: performance.timeOrigin + now } as const;
    this.#stream.ask(ask, [owned.data.buffer as ArrayBuffer]);
    return true;
  }

  requestKeyframe(): void {
    this.#stream.ask({ type: 'keyframe' });
  }

  setBitrate(bitrate: number): void {
    this.choices.bitrate = bitrate;
    this.#stream.ask({ type: 'bitrate', bitrate });
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#retry);
    this.#stream.close();
  }

  #hear(tell: CodedPlatform['tell']): void {
    if (this.#over) return;
    if (tell.type === 'taken') this.#inside--;
    else if (tell.type === 'keyframe-wanted') this.listener.keyframeWanted();
    else if (tell.type === 'forward') this.#forward(tell.on);
    else {
      // After other threads have taken over nothing else tells.
      if (this.#again && tell.picture.key) this.#forward(false);
      // It was on its way to come out when that was stopped.
      if (this.#forwarding) return;
      this.#measure(tell.picture.timestampUs);
      this.listener.picture(tell.picture);
    }
  }

  #forward(on: boolean): void {
    this.#forwarding = on;
    this.#again = false;
    this.#delays.clear();
    if (on) this.listener.delay(0);
    this.listener.forward(on);
  }

  #measure(timestampUs: number): void {
    const now = performance.now();
    const arrived = this.#arrivals.get(timestampUs);
    if (arrived === undefined) return;
    this.#arrivals.delete(timestampUs);
    this.#delays.add(now - arrived);
    if (now - this.#toldMs < TELL_DELAY_EVERY_MS) return;
    this.#toldMs = now;
    this.listener.delay(this.#delays.median ?? 0);
  }
}
