import { BehaviorSubject, type Observable } from 'rxjs';
import type { UpscaleError } from '../frame/errors.js';
import type { StreamEvents, WorkerStream } from '../live/client.js';
import type { StreamSettings } from '../live/protocol.js';
import {
  type EndedEvent,
  type FallbackEvent,
  type LevelEvent,
  type LoadingEvent,
  noStats,
  type UpscaleEvent,
  type UpscaleStats,
} from '../live/stats.js';
import type { BrowserPlatform, StreamSink, StreamSource } from './browser-platform.js';
import { readByElement, type Ticker, trackOfCanvas } from './element.js';
import { checkTrack } from './from-track.js';
import { type BrowserUpscaleOptions, checkBrowserOptions } from './options.js';
import { supportReport, type TrackPath } from './support.js';
import { movesWith, openStream } from './workers.js';

/** Figures are told this often; between events, and while nothing happens. */
const STATS_EVERY_MS = 1000;

/** Names of the events of an {@link UpscaledTrack}, and what their `detail` holds. */
export interface UpscaleEventMap {
  /** What makes the picture changed. */
  level: CustomEvent<LevelEvent>;
  /** Something that was wanted cannot be had. */
  fallback: CustomEvent<FallbackEvent>;
  /** The model's files are on their way. */
  loading: CustomEvent<LoadingEvent>;
  /** The stream is over. */
  ended: CustomEvent<EndedEvent>;
}

/** An upscaled video track. Made by {@link upscaleTrack}. */
export interface UpscaledTrack extends Disposable {
  /** The output. It ends when the source ends; stopping it releases everything. */
  readonly track: MediaStreamTrack;
  /** The latest figures. */
  stats(): UpscaleStats;
  /** Figures, once a second and at every event. Completes at the end. */
  readonly stats$: Observable<UpscaleStats>;
  /** Which track goes first where the engine has not the time for all of a page: see `options.priority`. */
  priority: number;
  /**
   * Takes another source; the output goes on, at its size. That source may be of any size; the one before is neither
   * stopped nor changed. With `endWithSource: false` it may have ended. Timestamps stay those of the source: where the
   * other's clock is behind, the output's steps back with it, once.
   * @throws TypeError when `track` is no live video track; `InvalidStateError` when the output has ended
   */
  replaceSource(track: MediaStreamTrack): void;
  /** Listens for `level`, `fallback`, `loading` and `ended`. */
  addEventListener<Type extends keyof UpscaleEventMap>(
    type: Type,
    listener: (event: UpscaleEventMap[Type]) => void,
    options?: AddEventListenerOptions,
  ): void;
  /** Stops listening. */
  removeEventListener<Type extends keyof UpscaleEventMap>(
    type: Type,
    listener: (event: UpscaleEventMap[Type]) => void,
  ): void;
  /** Ends the output track and releases everything. The source track goes on. */
  dispose(): void;
}

/**
 * Upscales a video track. The source track is neither stopped nor changed.
 *
 * Resolves at once: the output carries fast-scaled frames until the network is loaded and has proved that it computes
 * rightly, and whenever it cannot be used; `stats()` and the events always say which it is.
 *
 * @param track a live video track: camera, screen, remote, canvas
 * @example
 * ```ts
 * const upscaled = await upscaleTrack(track, { scale: 2 });
 * video.srcObject = new MediaStream([upscaled.track]);
 * ```
 * @throws TypeError when the track or an option is wrong; `NotSupportedError` where the browser lacks what it takes (see
 * {@link supportReport}); `AbortError` when the signal is aborted already
 */
export async function upscaleTrack(
  track: MediaStreamTrack,
  options: BrowserUpscaleOptions = {},
): Promise<UpscaledTrack> {
  checkTrack(track);
  const settings = checkBrowserOptions(options);
  options.signal?.throwIfAborted();
  const { path, reason } = supportReport();
  if (path === null) throw new DOMException(reason, 'NotSupportedError');
  const upscaled = new TrackUpscaling(track, options, settings, path);
  try {
    await upscaled.opened;
  } catch (thrown) {
    upscaled.dispose();
    throw thrown;
  }
  // Only the type of the listeners is narrower than EventTarget's.
  return upscaled as TrackUpscaling & Pick<UpscaledTrack, 'addEventListener' | 'removeEventListener'>;
}

class TrackUpscaling extends EventTarget {
  /** Settles when `track` is there. */
  readonly opened: Promise<void>;
  readonly stats$: BehaviorSubject<UpscaleStats> = new BehaviorSubject(noStats());
  readonly #stream: WorkerStream<BrowserPlatform>;
  readonly #release: (() => void)[] = [];
  /** Ends what is done for the present source. */
  #leaveSource: () => void = () => undefined;
  #source: MediaStreamVideoTrack;
  #track: MediaStreamTrack | undefined;
  #enabled: boolean;
  #finishing = false;
  #priority: number;
  #toldMs = Number.NEGATIVE_INFINITY;
  #tick: () => void = () => undefined;
  #latest: UpscaleStats = noStats();

  constructor(
    source: MediaStreamVideoTrack,
    options: BrowserUpscaleOptions,
    readonly settings: StreamSettings,
    readonly path: TrackPath,
  ) {
    super();
    this.#source = source;
    this.#enabled = source.enabled;
    this.#priority = settings.priority;
    const { promise, resolve, reject } = deferred<MediaStreamTrack>();
    this.opened = promise.then((track) => {
      this.#track = track;
      track.contentHint = source.contentHint;
    });
    const events = {
      stats: (stats: UpscaleStats) => {
        this.#latest = stats;
        this.#watchTracks();
        if (performance.now() - this.#toldMs >= STATS_EVERY_MS) this.#tellStats();
      },
      event: (event: UpscaleEvent) => {
        this.#tellStats();
        this.dispatchEvent(new CustomEvent(event.type, { detail: event }));
      },
      tick: () => this.#tick(),
      ended: (error?: UpscaleError) => {
        reject(error ?? new DOMException('The stream ended before it began.', 'AbortError'));
        this.#over();
      },
    };
    const open = (sink: StreamSink, more: Partial<StreamEvents<BrowserPlatform>> = {}): WorkerStream<BrowserPlatform> =>
      openStream(options.assets ?? {}, settings, readSource(source, path), sink, { ...events, ...more });

    if (path === 'streams') {
      const generator = new MediaStreamTrackGenerator({ kind: 'video' });
      this.#stream = open({ kind: 'writable', writable: generator.writable });
      resolve(generator);
    } else if (path === 'worker-track') {
      this.#stream = open({ kind: 'track' }, { tell: resolve });
    } else {
      const canvas = trackOfCanvas();
      this.#stream = open({ kind: 'messages' }, { frame: (frame) => canvas.draw(frame) });
      resolve(canvas.track);
    }
    this.#attend(source);
    const { signal } = options;
    if (signal) {
      const abort = (): void => this.dispose();
      signal.addEventListener('abort', abort, { once: true });
      this.#release.push(() => signal.removeEventListener('abort', abort));
    }
  }

  get track(): MediaStreamTrack {
    if (!this.#track) throw new DOMException('The track is not open yet.', 'InvalidStateError');
    return this.#track;
  }

  stats(): UpscaleStats {
    return this.#latest;
  }

  get priority(): number {
    return this.#priority;
  }

  set priority(priority: number) {
    if (!Number.isFinite(priority)) throw new TypeError('priority must be a number.');
    this.#priority = priority;
    this.#stream.prioritize(priority);
  }

  replaceSource(track: MediaStreamTrack): void {
    checkTrack(track);
    if (this.stats$.closed || this.track.readyState === 'ended') {
      throw new DOMException('The output has ended.', 'InvalidStateError');
    }
    this.#leaveSource();
    this.#source = track;
    this.#enabled = track.enabled;
    this.#finishing = false;
    const source = readSource(track, this.path);
    this.#stream.replace(source, movesWith(source));
    this.#attend(track);
  }

  dispose(): void {
    this.#track?.stop();
    this.#stream.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Listens to a source, and reads it where a worker cannot. */
  #attend(source: MediaStreamVideoTrack): void {
    const mute = (): void => this.#stream.interrupt('mute');
    for (const type of ['mute', 'unmute']) source.addEventListener(type, mute);
    const ended = this.settings.endWithSource ? this.#stream.finish : () => undefined;
    const byElement = this.path === 'element';
    const stop = byElement ? readByElement(source, this.#stream.push, ended, this.#ticker) : () => undefined;
    // The element's frames are not evenly spaced where the page comes or goes.
    const turned = (): void => this.#stream.interrupt('hidden');
    if (byElement) document.addEventListener('visibilitychange', turned);
    this.#leaveSource = () => {
      for (const type of ['mute', 'unmute']) source.removeEventListener(type, mute);
      document.removeEventListener('visibilitychange', turned);
      stop();
    };
  }

  /** The `io` worker keeps time while the page is hidden. */
  readonly #ticker: Ticker = (everyMs, tick) => {
    this.#tick = tick;
    this.#stream.ticks(everyMs);
    return () => {
      this.#tick = () => undefined;
      this.#stream.ticks(null);
    };
  };

  #tellStats(): void {
    this.#toldMs = performance.now();
    this.stats$.next(this.#latest);
  }

  /** Tracks tell nobody that they were stopped or switched off by a script, so they are looked at now and then. */
  #watchTracks(): void {
    if (this.#track?.readyState === 'ended') this.#stream.close();
    else if (this.#source.readyState === 'ended' && !this.#finishing) {
      this.#finishing = true;
      if (this.settings.endWithSource) this.#stream.finish();
    }
    if (this.#source.enabled !== this.#enabled) {
      this.#enabled = this.#source.enabled;
      this.#stream.ask({ enabled: this.#enabled });
      this.#stream.interrupt('mute');
    }
  }

  #over(): void {
    this.#leaveSource();
    for (const release of this.#release) release();
    this.#track?.stop();
    this.stats$.complete();
  }
}

/** A track as a worker reads it; where it cannot, frames come by messages. */
function readSource(track: MediaStreamVideoTrack, path: TrackPath): StreamSource {
  if (path === 'element') return { kind: 'messages' };
  if (path === 'worker-track') return { kind: 'track', track: track.clone() };
  return { kind: 'readable', readable: new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable };
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
