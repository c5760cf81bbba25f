import { reasonOf } from '../frame/errors.js';
import { EngineLink } from './engine-link.js';
import type { FrameKind } from './frame-kind.js';
import { IoStream, type Sink } from './io-stream.js';
import type { FromIo, Platform, ToIo } from './protocol.js';
import type { MessageScope, WorkerLike } from './scope.js';

const STATS_EVERY_MS = 250;

/** Where a stream's frames come from. */
export interface Source<Ask> {
  /** Stops reading. */
  stop(): void;
  /** Does what the page asks for. */
  ask?(ask: Ask): void;
}

/** What a {@link Source} reports. */
export interface SourceListener<P extends Platform> {
  /** @param arrivedMs when it came, on this thread's clock, if that was before now */
  frame(frame: P['frame'], arrivedMs?: number): void;
  over(): void;
  tell(tell: P['tell']): void;
}

/** What a sink reports. */
export interface SinkListener<P extends Platform> {
  /** Sends a frame to the page. */
  send(frame: P['frame']): void;
  tell(tell: P['tell'], transfer?: Transferable[]): void;
  /** Nobody takes frames any more. */
  stopped(): void;
  /** What is done with each frame took so long, on this thread. */
  spent(ms: number): void;
}

/** What the `io` worker of a platform is made of. */
export interface IoPlatform<P extends Platform> {
  readonly kind: FrameKind<P['frame']>;
  startEngine(assets: P['assets']): WorkerLike;
  openSource(source: P['source'], on: SourceListener<P>): Source<P['ask']>;
  openSink(sink: P['sink'], on: SinkListener<P>): Sink<P['frame']> & { ask?(ask: P['ask']): void };
}

interface OpenStream<P extends Platform> {
  readonly stream: IoStream<P>;
  readonly output: ReturnType<IoPlatform<P>['openSink']>;
  source: Source<P['ask']>;
  /** Ticks for the page. */
  ticks?: ReturnType<typeof setInterval> | undefined;
}

/**
 * Runs the `io` worker: answers the page for all its streams. It owns the tracks' streams, the
 * fast scaler and the watch over the `engine` worker, and runs no network itself.
 */
export function hostIo<P extends Platform>(scope: MessageScope, platform: IoPlatform<P>): void {
  const streams = new Map<number, OpenStream<P>>();
  let engine: EngineLink<P> | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  const post = (message: FromIo<P>, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);

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
  const read = (id: number, stream: IoStream<P>, source: P['source']): Source<P['ask']> => {
    const reading: Source<P['ask']> = platform.openSource(source, {
      frame: (frame, arrivedMs) => stream.push(frame, arrivedMs),
      tell: (tell) => post({ type: 'tell', id, tell }),
      over: () => {
        const open = streams.get(id);
        if (open?.source !== reading) return;
        if (stream.settings.endWithSource) finish(id);
        else stream.finish().catch(() => undefined);
      },
    });
    return reading;
  };

  const replaceSource = (id: number, source: P['source']): void => {
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

  const openStream = ({ id, settings, source, sink }: Extract<ToIo<P>, { type: 'open' }>): void => {
    if (!engine) return;
    const output = platform.openSink(sink, {
      send: (frame) => post({ type: 'frame', id, frame }, [frame as unknown as Transferable]),
      tell: (tell, transfer) => post({ type: 'tell', id, tell }, transfer),
      stopped: () => close(id),
      // The other streams' frames cost as much, about, and all are worked on here.
      spent: (ms) => stream.spent(ms * streams.size),
    });
    const stream = new IoStream<P>(id, settings, platform.kind, engine, output, (event) => {
      // Whoever hears of a change can look at figures that know of it.
      post({ type: 'stats', id, stats: stream.stats() });
      post({ type: 'event', id, event });
    });
    streams.set(id, { stream, output, source: read(id, stream, source) });
    timer ??= setInterval(tellStats, STATS_EVERY_MS);
  };

  /** A stream that cannot be opened ends alone. */
  const open = (message: Extract<ToIo<P>, { type: 'open' }>): void => {
    try {
      openStream(message);
    } catch (thrown) {
      const { id } = message;
      post({ type: 'event', id, event: { type: 'fallback', from: 'network', to: 'ended', reason: reasonOf(thrown) } });
      post({ type: 'event', id, event: { type: 'ended' } });
      post({ type: 'ended', id });
    }
  };

  scope.addEventListener('message', ({ data }: MessageEvent<ToIo<P>>) => {
    if (data.type === 'start') engine = new EngineLink<P>(data.assets, platform.startEngine);
    else if (data.type === 'open') open(data);
    else if (data.type === 'end') finish(data.id);
    else if (data.type === 'close') close(data.id);
    else if (data.type === 'ask') {
      const open = streams.get(data.id);
      open?.source.ask?.(data.ask);
      open?.output.ask?.(data.ask);
    } else if (data.type === 'interrupt') streams.get(data.id)?.stream.interrupt(data.cause);
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
