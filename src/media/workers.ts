import { UpscaleError } from '../frame/errors.js';
import type { StreamSettings } from '../live/protocol.js';
import type { Interruption, UpscaleEvent, UpscaleStats } from '../live/stats.js';
import { type AssetUrls, startIoWorker, workerAssets } from './assets.js';
import type { FromIo, StreamSink, StreamSource, ToIo } from './browser-platform.js';

/** What the page hears from one stream. */
export interface StreamEvents {
  frame?(frame: VideoFrame): void;
  track?(track: MediaStreamTrack): void;
  /** As often as was asked for by {@link WorkerStream.ticks}. */
  tick?(): void;
  stats(stats: UpscaleStats): void;
  event(event: UpscaleEvent): void;
  /** The stream is over; nothing follows. With an error when it ended against everybody's will. */
  ended(error?: UpscaleError): void;
}

/** The page's end of one stream in the `io` worker. */
export interface WorkerStream {
  /** Hands over a frame. */
  push(frame: VideoFrame): void;
  /** The source is over. `ended` follows when all its frames are out. */
  finish(): void;
  /** Turns the source track that the worker holds on or off, as the page did with the one it was cloned from. */
  enable(enabled: boolean): void;
  /** What comes from now on does not go on from what came before. */
  interrupt(cause: Interruption): void;
  /** Reads another source from now on; what was to come of the one before is not wanted any more. */
  replace(source: StreamSource): void;
  /** Asks for a `tick` so often, in milliseconds, also while the page is hidden; `null`: no more. */
  ticks(everyMs: number | null): void;
  /** Who goes first where there is not the time for all. */
  prioritize(priority: number): void;
  /** Ends the stream now. `ended` follows. */
  close(): void;
}

/** One pair of workers serves all streams of a page: started with the first, ended with the last. */
let shared: { worker: Worker; streams: Map<number, StreamEvents> } | undefined;
let nextId = 0;

/** Opens a stream in the page's workers, starting them if there are none. */
export function openStream(
  assets: AssetUrls,
  settings: StreamSettings,
  source: StreamSource,
  sink: StreamSink,
  events: StreamEvents,
): WorkerStream {
  shared ??= start(assets);
  const { worker, streams } = shared;
  const id = nextId++;
  streams.set(id, events);
  const post = (message: ToIo, transfer: Transferable[] = []): void => worker.postMessage(message, transfer);
  const movesWith = (source: StreamSource): Transferable[] => {
    if (source.kind === 'readable') return [source.readable];
    return source.kind === 'track' ? [source.track as unknown as Transferable] : [];
  };
  try {
    const transfer = [...movesWith(source), ...(sink.kind === 'writable' ? [sink.writable] : [])];
    post({ type: 'open', id, settings, source, sink }, transfer);
  } catch (thrown) {
    forget(worker, streams, id);
    throw thrown;
  }
  return {
    push: (frame) => {
      if (streams.has(id)) post({ type: 'frame', id, frame }, [frame]);
      else frame.close();
    },
    finish: () => {
      if (streams.has(id)) post({ type: 'end', id });
    },
    enable: (enabled) => {
      if (streams.has(id)) post({ type: 'ask', id, ask: { enabled } });
    },
    interrupt: (cause) => {
      if (streams.has(id)) post({ type: 'interrupt', id, cause });
    },
    replace: (other) => {
      if (streams.has(id)) post({ type: 'source', id, source: other }, movesWith(other));
    },
    ticks: (everyMs) => {
      if (streams.has(id)) post({ type: 'ticks', id, everyMs });
    },
    prioritize: (priority) => {
      if (streams.has(id)) post({ type: 'priority', id, priority });
    },
    close: () => {
      if (streams.has(id)) post({ type: 'close', id });
    },
  };
}

function start(assets: AssetUrls): NonNullable<typeof shared> {
  const files = workerAssets(assets);
  const worker = startIoWorker(assets);
  const streams = new Map<number, StreamEvents>();
  worker.addEventListener('message', ({ data }: MessageEvent<FromIo>) => {
    const events = streams.get(data.id);
    if (data.type === 'frame') {
      if (events?.frame) events.frame(data.frame);
      else data.frame.close();
    } else if (data.type === 'tell') events?.track?.(data.tell);
    else if (data.type === 'tick') events?.tick?.();
    else if (data.type === 'stats') events?.stats(data.stats);
    else if (data.type === 'event') events?.event(data.event);
    else {
      forget(worker, streams, data.id);
      events?.ended();
    }
  });
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    const reason = `The io worker failed: ${event.message || 'it could not be loaded'}.`;
    for (const [id, events] of [...streams]) {
      events.event({ type: 'fallback', from: 'network', to: 'ended', reason });
      events.event({ type: 'ended' });
      forget(worker, streams, id);
      events.ended(new UpscaleError('worker-failed', reason, { recoverable: false }));
    }
  });
  worker.postMessage({ type: 'start', assets: files } satisfies ToIo);
  return { worker, streams };
}

function forget(worker: Worker, streams: Map<number, StreamEvents>, id: number): void {
  streams.delete(id);
  if (streams.size > 0) return;
  worker.terminate();
  if (shared?.worker === worker) shared = undefined;
}
