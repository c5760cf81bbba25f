import type { IoPlatform, SinkListener, Source, SourceListener } from '../live/io-host.js';
import type { Sink } from '../live/io-stream.js';
import type { BrowserPlatform, StreamSink, StreamSource } from './browser-platform.js';
import { VIDEO_FRAMES } from './frame-shape.js';
import { readFrames } from './read-frames.js';

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

/**
 * Tracks, streams and messages as what the `io` worker reads and writes.
 * @param createEngine starts an engine worker from the URL that the page gave
 */
export function browserIo(
  createEngine = (url: string): Worker => new Worker(url, { type: 'module', name: 'mana-engine' }),
): IoPlatform<BrowserPlatform> {
  return { kind: VIDEO_FRAMES, startEngine: ({ engineWorker }) => createEngine(engineWorker), openSource, openSink };
}

/** Starts reading frames. */
function openSource(
  source: StreamSource,
  { frame, over }: SourceListener<BrowserPlatform>,
): Source<BrowserPlatform['ask']> {
  if (source.kind === 'messages') return { stop: () => undefined };
  const readable =
    source.kind === 'readable'
      ? source.readable
      : new (self as unknown as TrackWorkerScope).MediaStreamTrackProcessor({ track: source.track }).readable;
  const stop = readFrames(readable, (read) => frame(read), over);
  return {
    stop: () => {
      stop();
      if (source.kind === 'track') source.track.stop();
    },
    ask: ({ enabled }) => {
      if (source.kind === 'track') source.track.enabled = enabled;
    },
  };
}

function openSink(sink: StreamSink, events: SinkListener<BrowserPlatform>): Sink<VideoFrame> {
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
    events.tell(generator.track, [generator.track as unknown as Transferable]);
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
