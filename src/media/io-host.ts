import { reasonOf } from '../frame/errors.js';
import type { MessageScope } from './engine-host.js';
import { EngineLink } from './engine-link.js';
import { IoStream, type Sink } from './io-stream.js';
import type { FromIo, StreamSink, StreamSource, ToIo } from './protocol.js';
import { readFrames } from './read-frames.js';

const STATS_EVERY_MS = 250;
const LAST_WRITES_MS = 500;
/** Frames that may be on their way to a track; a consumer that takes none must not make them pile up. */
const MOST_WRITES = 3;
/** Chromium throws away what a track's readers have not taken when it ends, and the last frames come in a burst. */
const LINGER_MS = 250;

/** What Safari's workers have and the type library does not know. */
interface TrackWorkerScope {
  readonly MediaStreamTrackProcessor: new (init: {
    track: MediaStreamTrack;
  }) => { readonly readable: ReadableStream<VideoFrame> };
  readonly VideoTrackGenerator: new () => {
    readonly writable: WritableStream<VideoFrame>;
    readonly track: MediaStreamTrack;
  };
}

interface OpenStream {
  readonly stream: IoStream;
  source: Source;
  /** Ticks for the page. */
  ticks?: ReturnType<typeof setInterval> | undefined;
}

interface Source {
  /** Stops reading. */
  stop(): void;
  enable(enabled: boolean): void;
}

/**
 * Runs the `io` worker: answers the page for all its streams. It owns the tracks' streams, the
 * fast scaler and the watch over the `engine` worker, and runs no network itself.
 * @param createEngine starts an engine worker from the URL that the page gave, or from its own
 */
export function hostIo(scope: MessageScope, createEngine?: (url: string) => Worker): void {
  const streams = new Map<number, OpenStream>();
  let engine: EngineLink | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  const post = (message: FromIo, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);

  const tellStats = (): void => {
    for (const [id, { stream }] of streams) post({ type: 'stats', id, stats: stream.stats() });
  };

  const close = (id: number): void => {
    const open = streams.get(id);
    if (!open) return;
    post({ type: 'stats', id, stats: open.stream.stats() });
    streams.delete(id);
    clearInterval(open.ticks);
    open.source.stop();
    if (streams.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
    const over = (): void => {
      post({ type: 'event', id, event: { type: 'ended' } });
      post({ type: 'ended', id });
      if (streams.size === 0) engine?.dispose();
    };
    // The page may end this worker as soon as it hears of the end, so the last frames must have left.
    const last = async (): Promise<void> => {
      await open.stream.close();
      if (streams.size === 0) await engine?.quiet();
    };
    last().then(over, over);
  };

  const finish = (id: number): void => {
    const open = streams.get(id);
    if (!open) return;
    const { source } = open;
    const over = (): void => {
      // Another source may have taken its place meanwhile.
      if (streams.get(id)?.source === source) close(id);
    };
    open.stream.finish().then(over, over);
  };

  /** Reads a source until it ends, or another one takes its place. */
  const read = (id: number, stream: IoStream, source: StreamSource): Source => {
    const reading: Source = openSource(
      source,
      (frame) => stream.push(frame),
      () => {
        const open = streams.get(id);
        if (open?.source !== reading) return;
        if (stream.settings.endWithSource) finish(id);
        else stream.finish().catch(() => undefined);
      },
    );
    return reading;
  };

  const replaceSource = (id: number, source: StreamSource): void => {
    const open = streams.get(id);
    if (!open) return;
    const before = open.source;
    try {
      open.source = read(id, open.stream, source);
    } catch (thrown) {
      const reason = `The other source cannot be read: ${reasonOf(thrown)}`;
      post({ type: 'event', id, event: { type: 'fallback', from: 'source', to: 'source before', reason } });
      return;
    }
    before.stop();
    open.stream.interrupt('source');
  };

  /** A hidden page's own timers run once a second. */
  const tick = (id: number, everyMs: number | null): void => {
    const open = streams.get(id);
    if (!open) return;
    clearInterval(open.ticks);
    open.ticks = everyMs === null ? undefined : setInterval(() => post({ type: 'tick', id }), everyMs);
  };

  const openStream = ({ id, settings, source, sink }: Extract<ToIo, { type: 'open' }>): void => {
    if (!engine) return;
    const output = openSink(sink, {
      send: (frame) => post({ type: 'frame', id, frame }, [frame]),
      track: (track) => post({ type: 'track', id, track }, [track as unknown as Transferable]),
      stopped: () => close(id),
    });
    const stream = new IoStream(id, settings, engine, output, (event) => {
      // Whoever hears of a change can look at figures that know of it.
      post({ type: 'stats', id, stats: stream.stats() });
      post({ type: 'event', id, event });
    });
    streams.set(id, { stream, source: read(id, stream, source) });
    timer ??= setInterval(tellStats, STATS_EVERY_MS);
  };

  /** A stream that cannot be opened ends alone. */
  const open = (message: Extract<ToIo, { type: 'open' }>): void => {
    try {
      openStream(message);
    } catch (thrown) {
      const { id } = message;
      post({ type: 'event', id, event: { type: 'fallback', from: 'network', to: 'ended', reason: reasonOf(thrown) } });
      post({ type: 'event', id, event: { type: 'ended' } });
      post({ type: 'ended', id });
    }
  };

  scope.addEventListener('message', ({ data }: MessageEvent<ToIo>) => {
    if (data.type === 'start') engine = new EngineLink(data.assets, createEngine);
    else if (data.type === 'open') open(data);
    else if (data.type === 'end') finish(data.id);
    else if (data.type === 'close') close(data.id);
    else if (data.type === 'enable') streams.get(data.id)?.source.enable(data.enabled);
    else if (data.type === 'interrupt') streams.get(data.id)?.stream.interrupt(data.cause);
    else if (data.type === 'ticks') tick(data.id, data.everyMs);
    else if (data.type === 'source') replaceSource(data.id, data.source);
    else if (data.type === 'priority') {
      const stream = streams.get(data.id)?.stream;
      if (stream) stream.priority = data.priority;
    } else {
      const stream = streams.get(data.id)?.stream;
      if (stream) stream.push(data.frame);
      else data.frame.close();
    }
  });
}

/** Starts reading frames. */
function openSource(source: StreamSource, frame: (frame: VideoFrame) => void, over: () => void): Source {
  if (source.kind === 'messages') return { stop: () => undefined, enable: () => undefined };
  const readable =
    source.kind === 'readable'
      ? source.readable
      : new (self as unknown as TrackWorkerScope).MediaStreamTrackProcessor({ track: source.track }).readable;
  const stop = readFrames(readable, frame, over);
  return {
    stop: () => {
      stop();
      if (source.kind === 'track') source.track.stop();
    },
    enable: (enabled) => {
      if (source.kind === 'track') source.track.enabled = enabled;
    },
  };
}

interface SinkEvents {
  send(frame: VideoFrame): void;
  track(track: MediaStreamTrack): void;
  stopped(): void;
}

function openSink(sink: StreamSink, events: SinkEvents): Sink {
  if (sink.kind === 'messages') {
    const write = (frame: VideoFrame): boolean => {
      events.send(frame);
      return true;
    };
    return { write, close: async () => undefined };
  }
  let writable: WritableStream<VideoFrame>;
  if (sink.kind === 'writable') {
    writable = sink.writable;
  } else {
    const generator = new (self as unknown as TrackWorkerScope).VideoTrackGenerator();
    writable = generator.writable;
    events.track(generator.track);
  }
  const writer = writable.getWriter();
  let open = true;
  let lastWriteMs = Number.NEGATIVE_INFINITY;
  let writes = 0;
  const stopped = writer.closed.catch(() => {
    // The track was stopped by its user.
    if (open) events.stopped();
  });
  return {
    write: (frame) => {
      if (writes >= MOST_WRITES) {
        frame.close();
        return false;
      }
      lastWriteMs = performance.now();
      writes++;
      writer
        .write(frame)
        .catch(() => frame.close())
        .finally(() => {
          writes--;
        });
      return true;
    },
    close: async () => {
      open = false;
      await Promise.race([stopped, sleep(lastWriteMs + LINGER_MS - performance.now())]);
      // A consumer that never reads would keep us waiting for ever.
      await Promise.race([writer.close(), sleep(LAST_WRITES_MS)]);
    },
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
