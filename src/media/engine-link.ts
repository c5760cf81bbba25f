import { reasonOf, UpscaleError } from '../frame/errors.js';
import type { Size } from '../frame/frame.js';
import type { LoadProgress } from '../model/loader.js';
import type { EngineReport, FromEngine, StreamSettings, ToEngine, WorkerAssets } from './protocol.js';

/** What a stream of the `io` worker hears from the engine. */
export interface EngineListener {
  frame(frame: VideoFrame): void;
  fallback(from: string, to: string, reason: string): void;
  loading(progress: LoadProgress): void;
  /** The network is gone for this stream, unasked: its device or its worker is. */
  lost(error: UpscaleError): void;
}

/**
 * A call that the engine has not answered for this long means that it hangs. Starting a network may take its time,
 * counted from the last bytes of its model.
 */
const HANG_MS = { prepare: 120_000, frame: 20_000, flush: 20_000 } as const;

interface PendingCall {
  readonly id: number;
  readonly kind: keyof typeof HANG_MS;
  taken(): void;
  resolve(report: EngineReport | undefined): void;
  reject(error: UpscaleError): void;
  timer: ReturnType<typeof setTimeout>;
}

/**
 * The `io` worker's end of the `engine` worker. When the engine crashes or hangs it is ended, all its streams are told,
 * and the next call starts a new one.
 */
export class EngineLink {
  readonly #streams = new Map<number, { settings: StreamSettings; listener: EngineListener }>();
  readonly #calls = new Map<number, PendingCall>();
  #worker: Worker | undefined;
  #nextCall = 0;
  #lostDevices = 0;

  constructor(
    readonly assets: WorkerAssets,
    readonly create: (url: string) => Worker = (url) => new Worker(url, { type: 'module', name: 'mana-engine' }),
  ) {}

  open(id: number, settings: StreamSettings, listener: EngineListener): void {
    this.#streams.set(id, { settings, listener });
    // A worker that starts now opens all streams; backend and model load while the first frame is still to come.
    try {
      if (this.#worker) this.#post(this.#worker, this.#opening(id, settings));
      else this.#worker = this.#start();
    } catch {
      // The first call meets the same error and reports it.
    }
  }

  /** Whether a network is being made ready: calls of other streams may then wait behind it. */
  get preparing(): boolean {
    return [...this.#calls.values()].some(({ kind }) => kind === 'prepare');
  }

  /** Makes the network ready for pictures of a size. */
  prepare(id: number, size: Size): Promise<EngineReport | undefined> {
    return this.#call(id, 'prepare', (call) => ({ type: 'prepare', id, call, size }));
  }

  /**
   * Hands over a frame. The engine works on one frame while it holds the next, so that it never waits for us.
   * @param fresh whether what came before must not be looked at any more
   * @returns `taken` settles when the next frame may be handed over, `done` when this one has been worked on
   */
  frame(
    id: number,
    frame: VideoFrame,
    size: Size,
    fresh: boolean,
  ): { taken: Promise<void>; done: Promise<EngineReport | undefined> } {
    const sentMs = performance.timeOrigin + performance.now();
    let take: () => void = () => undefined;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    const message = (call: number): ToEngine => ({ type: 'frame', id, call, size, frame, sentMs, fresh });
    const done = this.#call(id, 'frame', message, [frame], take);
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

  /** Forgets a stream's window and everything the engine holds for it. The next call begins anew. */
  reset(id: number): void {
    if (this.#streams.has(id) && this.#worker) this.#post(this.#worker, { type: 'reset', id });
  }

  close(id: number): void {
    this.#streams.delete(id);
    if (this.#worker) this.#post(this.#worker, { type: 'close', id });
    for (const [call, pending] of this.#calls) {
      if (pending.id === id) this.#settle(call)?.resolve(undefined);
    }
  }

  /** Ends the worker and with it everything it holds. */
  dispose(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const call of [...this.#calls.keys()]) this.#settle(call)?.resolve(undefined);
    this.#streams.clear();
  }

  #call(
    id: number,
    kind: keyof typeof HANG_MS,
    message: (call: number) => ToEngine,
    transfer: Transferable[] = [],
    taken: () => void = () => undefined,
  ): Promise<EngineReport | undefined> {
    if (!this.#streams.has(id)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const call = this.#nextCall++;
      this.#calls.set(call, { id, kind, taken, resolve, reject, timer: this.#watch(kind) });
      try {
        this.#worker ??= this.#start();
        this.#post(this.#worker, message(call), transfer);
      } catch (thrown) {
        const reason = `The engine worker could not be started: ${reasonOf(thrown)}`;
        this.#settle(call)?.reject(new UpscaleError('worker-failed', reason, { cause: thrown }));
      }
    });
  }

  #watch(kind: keyof typeof HANG_MS): ReturnType<typeof setTimeout> {
    return setTimeout(
      () => this.#fail(`The engine worker did not answer for ${HANG_MS[kind] / 1000} seconds.`),
      HANG_MS[kind],
    );
  }

  /** A GPU that was lost twice is left alone. */
  #opening(id: number, settings: StreamSettings): ToEngine {
    return { type: 'open', id, settings: this.#lostDevices < 2 ? settings : { ...settings, backend: 'wasm' } };
  }

  #start(): Worker {
    const worker = this.create(this.assets.engineWorker);
    worker.addEventListener('message', ({ data }: MessageEvent<FromEngine>) => {
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
    for (const [id, { settings }] of this.#streams) this.#post(worker, this.#opening(id, settings));
    return worker;
  }

  #receive(message: FromEngine): void {
    const listener = this.#streams.get(message.id)?.listener;
    if (message.type === 'frame') {
      if (listener) listener.frame(message.frame);
      else message.frame.close();
    } else if (message.type === 'fallback') {
      listener?.fallback(message.from, message.to, message.reason);
    } else if (message.type === 'loading') {
      for (const pending of this.#calls.values()) {
        if (pending.id !== message.id || pending.kind !== 'prepare') continue;
        clearTimeout(pending.timer);
        pending.timer = this.#watch('prepare');
      }
      listener?.loading(message.progress);
    } else if (message.type === 'taken') {
      this.#calls.get(message.call)?.taken();
    } else if (message.type === 'done') {
      this.#settle(message.call)?.resolve(message.report ?? undefined);
    } else {
      const error = new UpscaleError(message.code, message.reason, { recoverable: message.recoverable });
      if (message.call !== null) this.#settle(message.call)?.reject(error);
      else if (message.code === 'backend-unavailable') this.#lostDevices++;
      else listener?.lost(error);
      // ONNX Runtime survives neither the loss of its device nor a failed start, so the worker does not either.
      if (message.code === 'backend-unavailable') this.#fail(message.reason);
    }
  }

  #fail(reason: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    const error = new UpscaleError('worker-failed', reason);
    for (const call of [...this.#calls.keys()]) this.#settle(call)?.reject(error);
    for (const { listener } of this.#streams.values()) listener.lost(error);
  }

  #settle(call: number): PendingCall | undefined {
    const pending = this.#calls.get(call);
    if (pending) clearTimeout(pending.timer);
    this.#calls.delete(call);
    return pending;
  }

  #post(worker: Worker, message: ToEngine, transfer: Transferable[] = []): void {
    worker.postMessage(message, transfer);
  }
}
