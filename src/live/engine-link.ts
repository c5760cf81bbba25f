import { reasonOf, UpscaleError } from '../frame/errors.js';
import type { Size } from '../frame/frame.js';
import type { LoadProgress } from '../model/loader.js';
import { realClock } from '../pipeline/clock.js';
import type { Variant } from '../pipeline/levels.js';
import type { EngineReport, FromEngine, Platform, StreamSettings, ToEngine } from './protocol.js';
import type { WorkerLike } from './scope.js';
import { compareRanks, type Rank, Turns } from './turns.js';
import { type CallKind, Watchdog } from './watchdog.js';

/** A stream of the `io` worker, as the engine's link sees it. */
export interface EngineClient<F> {
  readonly settings: StreamSettings;
  /** Who goes first where there is not the time for all. */
  readonly rank: Rank;
  /** Share of the engine's time that the stream takes, 0..1. */
  readonly load: number;
  frame(frame: F): void;
  fallback(from: string, to: string, reason: string): void;
  loading(progress: LoadProgress): void;
  /** The network is gone for this stream, unasked: its device or its worker is, or it failed between calls. */
  lost(error: UpscaleError): void;
}

/** What a frame is sent with. */
export type FrameOrder = Pick<
  Extract<ToEngine<Platform>, { type: 'frame' }>,
  'size' | 'variant' | 'arrivedMs' | 'lookahead' | 'passedUs' | 'fresh'
>;

/** Longest wait for a worker's last messages. */
const QUIET_MS = 500;

interface PendingCall {
  readonly id: number;
  readonly kind: CallKind;
  /** Its model is on the way: the engine itself has nothing to do for it yet. */
  loading: boolean;
  taken(): void;
  resolve(report: EngineReport | undefined): void;
  reject(error: UpscaleError): void;
  unwatch: () => void;
}

/**
 * The `io` worker's end of the `engine` worker. When the engine crashes, hangs, is gone or computes wrongly it is ended,
 * all its streams are told, and the next call starts a new one.
 */
export class EngineLink<P extends Platform> {
  readonly #clients = new Map<number, EngineClient<P['frame']>>();
  readonly #calls = new Map<number, PendingCall>();
  readonly #turns = new Turns();
  readonly #watchdog = new Watchdog(
    realClock,
    () => this.#worker?.postMessage({ type: 'ping' } satisfies ToEngine<P>),
    (reason) => this.#fail(reason),
  );
  #worker: WorkerLike | undefined;
  #nextCall = 0;
  #answered: () => void = () => undefined;
  #faultyDevices = 0;
  /** Whether the worker has ever done what it was asked for. */
  #proven = false;
  /** Workers that were given up. */
  restarts = 0;

  constructor(
    readonly assets: P['assets'],
    readonly create: (assets: P['assets']) => WorkerLike,
  ) {}

  open(id: number, client: EngineClient<P['frame']>): void {
    this.#clients.set(id, client);
    // A worker that starts now opens all streams; backend and model load while the first frame is still to come.
    try {
      if (this.#worker) this.#post(this.#worker, this.#opening(id, client));
      else this.#worker = this.#start();
    } catch {
      // The first call meets the same error and reports it.
    }
  }

  /** Whether a network is being made ready: calls of other streams may then wait behind it. */
  get preparing(): boolean {
    return [...this.#calls.values()].some(({ kind, loading }) => kind === 'prepare' && !loading);
  }

  /** Share of the engine's time that streams of higher rank leave for this one, 0..1. */
  share(client: EngineClient<P['frame']>): number {
    let share = 1;
    for (const other of this.#clients.values()) {
      if (other !== client && compareRanks(other.rank, client.rank) > 0) share -= other.load;
    }
    return Math.max(0, share);
  }

  /** Settles with what ends the turn when this stream may hand over its next frame. */
  turn(client: EngineClient<P['frame']>): Promise<() => void> {
    return this.shared ? this.#turns.take(client.rank) : Promise.resolve(() => undefined);
  }

  /** Whether other streams want turns, too. */
  get shared(): boolean {
    return this.#clients.size > 1;
  }

  /** Loads and checks a network that may be wanted soon. */
  preload(id: number, variant: Variant): void {
    this.#call(id, 'prepare', (call) => ({ type: 'preload', id, call, variant })).catch(() => undefined);
  }

  /** Makes a network ready for pictures of a size. */
  async prepare(id: number, variant: Variant, size: Size): Promise<EngineReport | undefined> {
    const report = await this.#call(id, 'prepare', (call) => ({ type: 'prepare', id, call, variant, size }));
    if (report) this.#watchdog.learn(report.rehearsedMs);
    return report;
  }

  /**
   * Hands over a frame. The engine can hold the next while it works on one.
   * @returns `taken` settles when the next frame may be handed over, `done` when this one has been worked on
   */
  frame(
    id: number,
    frame: P['frame'],
    order: FrameOrder,
  ): { taken: Promise<void>; done: Promise<EngineReport | undefined> } {
    let take: () => void = () => undefined;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    const message = (call: number): ToEngine<P> => ({ type: 'frame', id, call, frame, ...order });
    const done = this.#call(id, 'frame', message, [frame as unknown as Transferable], take);
    const over = (): void => {
      // Only has an effect when the frame was never sent.
      frame.close();
      take();
    };
    done.then(over, over);
    return { taken, done };
  }

  /** Settles when every frame that was handed over has come out. */
  flush(id: number): Promise<EngineReport | undefined> {
    return this.#call(id, 'flush', (call) => ({ type: 'flush', id, call }));
  }

  /** Forgets a network's window and what the engine holds for it, or those of both. The next call begins anew. */
  reset(id: number, variant: Variant | null = null): void {
    if (this.#clients.has(id) && this.#worker) this.#post(this.#worker, { type: 'reset', id, variant });
  }

  close(id: number): void {
    this.#clients.delete(id);
    if (this.#worker) this.#post(this.#worker, { type: 'close', id });
    for (const [call, pending] of this.#calls) {
      if (pending.id === id) this.#settle(call)?.resolve(undefined);
    }
  }

  /**
   * Settles when what was on its way to the worker and back has arrived, or soon: messages keep their order, and a frame in
   * one that is never delivered is never closed.
   */
  quiet(): Promise<void> {
    if (!this.#worker) return Promise.resolve();
    this.#post(this.#worker, { type: 'ping' });
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, QUIET_MS);
      this.#answered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Ends the worker and with it everything it holds. */
  dispose(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const call of [...this.#calls.keys()]) this.#settle(call)?.resolve(undefined);
    this.#clients.clear();
  }

  #call(
    id: number,
    kind: CallKind,
    message: (call: number) => ToEngine<P>,
    transfer: Transferable[] = [],
    taken: () => void = () => undefined,
  ): Promise<EngineReport | undefined> {
    if (!this.#clients.has(id)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const call = this.#nextCall++;
      this.#calls.set(call, { id, kind, loading: false, taken, resolve, reject, unwatch: this.#watchdog.watch(kind) });
      try {
        this.#worker ??= this.#start();
        this.#post(this.#worker, message(call), transfer);
      } catch (thrown) {
        const reason = `The engine worker could not be started: ${reasonOf(thrown)}`;
        this.#settle(call)?.reject(new UpscaleError('worker-failed', reason, { cause: thrown }));
      }
    });
  }

  /** A GPU that was lost, or computed wrongly, twice is left alone. */
  #opening(id: number, { settings }: EngineClient<P['frame']>): ToEngine<P> {
    return { type: 'open', id, settings: this.#faultyDevices < 2 ? settings : { ...settings, backend: 'wasm' } };
  }

  #start(): WorkerLike {
    const worker = this.create(this.assets);
    this.#watchdog.forget();
    worker.addEventListener('message', ({ data }: MessageEvent<FromEngine<P>>) => {
      // What a worker that was ended had sent before may still arrive.
      if (this.#worker === worker) this.#receive(data);
      else if (data.type === 'frame') data.frame.close();
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const reason = event.message || `${this.assets.engineWorker} could not be loaded`;
      if (this.#worker === worker) this.#fail(`The engine worker failed: ${reason}.`);
    });
    this.#post(worker, { type: 'start', assets: this.assets });
    for (const [id, client] of this.#clients) this.#post(worker, this.#opening(id, client));
    return worker;
  }

  #receive(message: FromEngine<P>): void {
    this.#watchdog.heard();
    if (message.type === 'pong') {
      this.#answered();
      return;
    }
    const client = this.#clients.get(message.id);
    if (message.type === 'frame') {
      if (client) client.frame(message.frame);
      else message.frame.close();
    } else if (message.type === 'fallback') {
      client?.fallback(message.from, message.to, message.reason);
    } else if (message.type === 'loading') {
      const { loaded, total } = message.progress;
      for (const pending of this.#calls.values()) if (pending.id === message.id) pending.loading = loaded < total;
      client?.loading(message.progress);
    } else if (message.type === 'taken') {
      this.#calls.get(message.call)?.taken();
    } else if (message.type === 'done') {
      this.#proven = true;
      this.#settle(message.call)?.resolve(message.report ?? undefined);
    } else {
      const { code, call } = message;
      const error = new UpscaleError(code, message.reason, { recoverable: message.recoverable });
      if (call !== null) this.#settle(call)?.reject(error);
      // A backend that answered rightly once and is gone or wrong now takes its worker with it: ONNX Runtime survives
      // neither the loss of its device nor a failed start, and who knows what wrong numbers come from.
      // What one stream is refused in a worker that serves others, memory say, is that stream's alone.
      const gone = code === 'backend-unavailable';
      const backend = call === null ? gone || code === 'backend-wrong' : gone && !this.#proven;
      if (backend && call === null) this.#faultyDevices++;
      if (backend) this.#fail(message.reason);
      else if (call === null) client?.lost(error);
    }
  }

  #fail(reason: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.restarts++;
    const error = new UpscaleError('worker-failed', reason);
    for (const call of [...this.#calls.keys()]) this.#settle(call)?.reject(error);
    for (const client of this.#clients.values()) client.lost(error);
    // One that worked is followed by another at once; one that never did, only when it is asked for again.
    if (this.#proven && this.#clients.size > 0) {
      this.#proven = false;
      try {
        this.#worker ??= this.#start();
      } catch {
        // The next call meets the same error and reports it.
      }
    }
  }

  #settle(call: number): PendingCall | undefined {
    const pending = this.#calls.get(call);
    pending?.unwatch();
    this.#calls.delete(call);
    return pending;
  }

  #post(worker: WorkerLike, message: ToEngine<P>, transfer: Transferable[] = []): void {
    worker.postMessage(message, transfer);
  }
}
