import type { Backend } from '../engine/engine.js';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import type { Size } from '../frame/frame.js';
import type { LoadProgress } from '../model/loader.js';
import { realClock } from '../pipeline/clock.js';
import { UpscaleSession } from '../pipeline/session.js';
import { computedOverKept } from '../pipeline/tiles.js';
import { Upscaler } from '../pipeline/upscaler.js';
import { Backends, type Verified } from './backends.js';
import type { EngineReport, FromEngine, StreamSettings, ToEngine } from './protocol.js';

/** Progress of a model is told this often. */
const PROGRESS_EVERY_MS = 200;

/** The part of a worker's global scope, or of a port, that hosts need. */
export interface MessageScope {
  /** Sends to the other side. */
  postMessage(message: unknown, transfer?: Transferable[]): void;
  /** Listens to the other side. */
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}

/**
 * Runs the `engine` worker: answers the calls of the `io` worker for all streams of a page.
 * It owns the GPU device and ONNX Runtime; it knows no tracks.
 */
export function hostEngine(scope: MessageScope): void {
  const streams = new Map<number, EngineStreamHost>();
  let backends: Backends | undefined;
  const post = (message: FromEngine, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);

  scope.addEventListener('message', ({ data }: MessageEvent<ToEngine>) => {
    if (data.type === 'start') {
      backends = new Backends(data.assets, (backend, reason) => {
        for (const stream of streams.values()) stream.lose(backend, reason);
      });
    } else if (data.type === 'open' && backends) {
      streams.set(data.id, new EngineStreamHost(data.id, data.settings, backends, post));
    } else if (data.type === 'reset') {
      streams.get(data.id)?.reset();
    } else if (data.type === 'close') {
      streams.get(data.id)?.close();
      streams.delete(data.id);
    } else if (data.type === 'prepare' || data.type === 'frame' || data.type === 'flush') {
      const stream = streams.get(data.id);
      if (stream) stream.call(data);
      else {
        if (data.type === 'frame') data.frame.close();
        post({ type: 'done', id: data.id, call: data.call, report: null });
      }
    }
  });
}

type Call = Extract<ToEngine, { call: number }>;

class EngineStreamHost {
  #chosen: Promise<Verified> | undefined;
  #verified: Verified | undefined;
  #session: UpscaleSession<VideoFrame, VideoFrame>;
  /** Ends the waiting for a model. */
  readonly #closing = new AbortController();
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly id: number,
    readonly settings: StreamSettings,
    readonly backends: Backends,
    readonly post: (message: FromEngine, transfer?: Transferable[]) => void,
  ) {
    this.#session = this.#newSession();
    // Errors come out where the choice is waited for.
    this.#choose().catch(() => undefined);
  }

  call(message: Call): void {
    this.#run(message).then(
      () => this.post({ type: 'done', id: this.id, call: message.call, report: this.#report() }),
      (thrown) => this.#failed(thrown, message.call),
    );
  }

  /** A backend is gone: this stream fails if it ran there, and the next call chooses anew. */
  lose(backend: Backend, reason: string): void {
    if (this.#verified && this.#verified.engine.backend !== backend) return;
    this.#chosen = undefined;
    this.#verified = undefined;
    this.reset();
    this.#failed(new UpscaleError('backend-unavailable', reason), null);
  }

  /** Forgets the window. The network stays chosen, and its model goes on loading. */
  reset(): void {
    this.#session.dispose();
    this.#session = this.#newSession();
  }

  close(): void {
    this.#closing.abort();
    this.#session.dispose();
  }

  #run(message: Call): Promise<void> {
    if (message.type === 'prepare') return this.#session.prepare(message.size);
    if (message.type === 'flush') return this.#session.flush();
    const { frame, size, sentMs, call, fresh } = message;
    let open = true;
    return this.#session.push({
      frame,
      size,
      fresh,
      times: { timestampUs: frame.timestamp, ...(frame.duration === null ? {} : { durationUs: frame.duration }) },
      arrivedMs: sentMs - performance.timeOrigin,
      release: () => {
        if (!open) return;
        open = false;
        frame.close();
        this.post({ type: 'taken', id: this.id, call });
      },
    });
  }

  #newSession(): UpscaleSession<VideoFrame, VideoFrame> {
    const session: UpscaleSession<VideoFrame, VideoFrame> = new UpscaleSession<VideoFrame, VideoFrame>({
      clock: realClock,
      budgetMs: this.settings.budgetMs,
      failed: (thrown) => {
        if (this.#session === session) this.#failed(thrown, null);
      },
      open: (size) =>
        this.#open(size, (frame) => {
          // A window that is over has nothing to say any more.
          if (this.#session !== session || this.#closing.signal.aborted) frame.close();
          else this.post({ type: 'frame', id: this.id, frame }, [frame]);
        }),
    });
    return session;
  }

  async #open(size: Size, emit: (frame: VideoFrame) => void): Promise<Upscaler<VideoFrame, VideoFrame>> {
    try {
      this.#verified = await this.#choose();
    } catch (thrown) {
      this.#chosen = undefined;
      throw thrown;
    }
    const { lookahead, maxTilePixels } = this.settings;
    return Upscaler.open(this.#verified.engine, this.#verified.model, {
      size,
      lookahead,
      ...(maxTilePixels === null ? {} : { maxTilePixels }),
      emit,
    });
  }

  #choose(): Promise<Verified> {
    this.#chosen ??= this.backends.choose(this.settings, {
      signal: this.#closing.signal,
      fallback: (from, to, reason) => this.post({ type: 'fallback', id: this.id, from, to, reason }),
      progress: (progress) => this.#tellProgress(progress),
    });
    return this.#chosen;
  }

  #tellProgress(progress: LoadProgress): void {
    const now = performance.now();
    if (progress.loaded < progress.total && now - this.#toldMs < PROGRESS_EVERY_MS) return;
    this.#toldMs = now;
    this.post({ type: 'loading', id: this.id, progress });
  }

  #report(): EngineReport | null {
    const upscaler = this.#session.upscaler;
    if (!this.#verified || !upscaler) return null;
    const { engine, model } = this.#verified;
    return {
      backend: engine.backend,
      description: engine.description,
      model: model.manifest.name,
      computedOverKept: computedOverKept(upscaler.plan),
      counts: this.#session.counts,
      times: this.#session.times,
    };
  }

  #failed(thrown: unknown, call: number | null): void {
    const code = thrown instanceof UpscaleError ? thrown.code : 'engine-failed';
    const recoverable = thrown instanceof UpscaleError ? thrown.recoverable : true;
    this.post({ type: 'failed', id: this.id, call, code, reason: reasonOf(thrown), recoverable });
  }
}
