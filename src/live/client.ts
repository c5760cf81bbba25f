import { UpscaleError } from '../frame/errors.js';
import type { FromIo, Platform, StreamSettings, ToIo } from './protocol.js';
import type { WorkerLike } from './scope.js';
import type { Interruption, UpscaleEvent, UpscaleStats } from './stats.js';

/** What a page hears from one stream. */
export interface StreamEvents<P extends Platform> {
  frame?(frame: P['frame']): void;
  tell?(tell: P['tell']): void;
  /** As often as was asked for by {@link WorkerStream.ticks}. */
  tick?(): void;
  stats(stats: UpscaleStats): void;
  event(event: UpscaleEvent): void;
  /** The stream is over; nothing follows. With an error when it ended against everybody's will. */
  ended(error?: UpscaleError): void;
}

/** The page's end of one stream in the `io` worker. */
export interface WorkerStream<P extends Platform> {
  /** Hands over a frame. */
  push(frame: P['frame']): void;
  /** Asks the stream's source and sink for something. */
  ask(ask: P['ask'], transfer?: Transferable[]): void;
  /** The source is over. `ended` follows when all its frames are out. */
  finish(): void;
  /** What comes from now on does not go on from what came before. */
  interrupt(cause: Interruption): void;
  /** Reads another source from now on; what was to come of the one before is not wanted any more. */
  replace(source: P['source'], transfer?: Transferable[]): void;
  /** Asks for a `tick` so often, in milliseconds, also while the page is hidden; `null`: no more. */
  ticks(everyMs: number | null): void;
  /** Who goes first where there is not the time for all. */
  prioritize(priority: number): void;
  /** Ends the stream now. `ended` follows. */
  close(): void;
}

/** One pair of workers for all streams: started with the first, ended with the last. */
export class LiveClient<P extends Platform> {
  #worker: WorkerLike | undefined;
  readonly #streams = new Map<number, StreamEvents<P>>();
  #nextId = 0;

  /** Streams that are open. */
  get size(): number {
    return this.#streams.size;
  }

  /**
   * Opens a stream, starting the workers if there are none.
   * @param start starts the `io` worker, and gives what its engines are to be started with
   */
  open(
    start: () => { worker: WorkerLike; assets: P['assets'] },
    settings: StreamSettings,
    { source, sink, transfer = [] }: { source: P['source']; sink: P['sink']; transfer?: Transferable[] },
    events: StreamEvents<P>,
  ): WorkerStream<P> {
    this.#worker ??= this.#start(start());
    const worker = this.#worker;
    const streams = this.#streams;
    const id = this.#nextId++;
    streams.set(id, events);
    const post = (message: ToIo<P>, transfer: Transferable[] = []): void => {
      if (streams.has(id)) worker.postMessage(message, transfer);
    };
    try {
      post({ type: 'open', id, settings, source, sink }, transfer);
    } catch (thrown) {
      this.#forget(worker, id);
      throw thrown;
    }
    return {
      push: (frame) => {
        if (streams.has(id)) post({ type: 'frame', id, frame }, [frame as unknown as Transferable]);
        else frame.close();
      },
      ask: (ask, transfer) => post({ type: 'ask', id, ask }, transfer),
      finish: () => post({ type: 'end', id }),
      interrupt: (cause) => post({ type: 'interrupt', id, cause }),
      replace: (other, transfer) => post({ type: 'source', id, source: other }, transfer),
      ticks: (everyMs) => post({ type: 'ticks', id, everyMs }),
      prioritize: (priority) => post({ type: 'priority', id, priority }),
      close: () => post({ type: 'close', id }),
    };
  }

  #start({ worker, assets }: { worker: WorkerLike; assets: P['assets'] }): WorkerLike {
    const streams = this.#streams;
    worker.addEventListener('message', ({ data }: MessageEvent<FromIo<P>>) => {
      const events = streams.get(data.id);
      if (data.type === 'frame') {
        if (events?.frame) events.frame(data.frame);
        else data.frame.close();
      } else if (data.type === 'tell') events?.tell?.(data.tell);
      else if (data.type === 'tick') events?.tick?.();
      else if (data.type === 'stats') events?.stats(data.stats);
      else if (data.type === 'event') events?.event(data.event);
      else {
        this.#forget(worker, data.id);
        events?.ended();
      }
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const reason = `The io worker failed: ${event.message || 'it could not be loaded'}.`;
      for (const [id, events] of [...streams]) {
        events.event({ type: 'fallback', from: 'network', to: 'ended', reason });
        events.event({ type: 'ended' });
        this.#forget(worker, id);
        events.ended(new UpscaleError('worker-failed', reason, { recoverable: false }));
      }
    });
    worker.postMessage({ type: 'start', assets } satisfies ToIo<P>);
    return worker;
  }

  #forget(worker: WorkerLike, id: number): void {
    this.#streams.delete(id);
    if (this.#streams.size > 0) return;
    worker.terminate();
    if (this.#worker === worker) this.#worker = undefined;
  }
}
