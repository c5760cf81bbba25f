import { BehaviorSubject, type Observable } from 'rxjs';
import type { UpscaleError } from '../frame/errors.js';
import { readByElement, trackOfCanvas } from './element.js';
import { checkTrack } from './from-track.js';
import { type BrowserUpscaleOptions, checkBrowserOptions } from './options.js';
import type { StreamSettings, StreamSink, StreamSource } from './protocol.js';
import {
  type EndedEvent,
  type FallbackEvent,
  type LevelEvent,
  type LoadingEvent,
  noStats,
  type UpscaleEvent,
  type UpscaleStats,
} from './stats.js';
import { supportReport, type TrackPath } from './support.js';
import { openStream, type StreamEvents, type WorkerStream } from './workers.js';

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
  /** Figures, a few times a second and at every change. Completes at the end. */
  readonly stats$: Observable<UpscaleStats>;
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
  readonly #stream: WorkerStream;
  readonly #release: (() => void)[] = [];
  #track: MediaStreamTrack | undefined;
  #enabled: boolean;
  #finishing = false;

  constructor(
    readonly source: MediaStreamVideoTrack,
    options: BrowserUpscaleOptions,
    settings: StreamSettings,
    path: TrackPath,
  ) {
    super();
    this.#enabled = source.enabled;
    const { promise, resolve, reject } = deferred<MediaStreamTrack>();
    this.opened = promise.then((track) => {
      this.#track = track;
      track.contentHint = source.contentHint;
    });
    const events = {
      stats: (stats: UpscaleStats) => {
        this.#watchTracks();
        this.stats$.next(stats);
      },
      event: (event: UpscaleEvent) => this.dispatchEvent(new CustomEvent(event.type, { detail: event })),
      ended: (error?: UpscaleError) => {
        reject(error ?? new DOMException('The stream ended before it began.', 'AbortError'));
        this.#over();
      },
    };
    const open = (source: StreamSource, sink: StreamSink, more: Partial<StreamEvents> = {}): WorkerStream =>
      openStream(options.assets ?? {}, settings, source, sink, { ...events, ...more });

    if (path === 'streams') {
      const generator = new MediaStreamTrackGenerator({ kind: 'video' });
      const { readable } = new MediaStreamTrackProcessor({ track: source, maxBufferSize: 1 });
      this.#stream = open({ kind: 'readable', readable }, { kind: 'writable', writable: generator.writable });
      resolve(generator);
    } else if (path === 'worker-track') {
      this.#stream = open({ kind: 'track', track: source.clone() }, { kind: 'track' }, { track: resolve });
    } else {
      const canvas = trackOfCanvas();
      this.#stream = open({ kind: 'messages' }, { kind: 'messages' }, { frame: (frame) => canvas.draw(frame) });
      this.#release.push(readByElement(source, this.#stream.push, this.#stream.finish));
      resolve(canvas.track);
    }
    for (const type of ['mute', 'unmute']) {
      const interrupt = (): void => this.#stream.interrupt('mute');
      source.addEventListener(type, interrupt);
      this.#release.push(() => source.removeEventListener(type, interrupt));
    }
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
    return this.stats$.value;
  }

  dispose(): void {
    this.#track?.stop();
    this.#stream.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Tracks tell nobody that they were stopped or switched off by a script, so they are looked at now and then. */
  #watchTracks(): void {
    if (this.#track?.readyState === 'ended') this.#stream.close();
    else if (this.source.readyState === 'ended' && !this.#finishing) {
      this.#finishing = true;
      this.#stream.finish();
    }
    if (this.source.enabled !== this.#enabled) {
      this.#enabled = this.source.enabled;
      this.#stream.enable(this.#enabled);
      this.#stream.interrupt('mute');
    }
  }

  #over(): void {
    for (const release of this.#release) release();
    this.#track?.stop();
    this.stats$.complete();
  }
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
