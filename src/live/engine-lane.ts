import type { EngineStream } from '../engine/engine.js';
import type { LoadProgress } from '../model/loader.js';
import { realClock } from '../pipeline/clock.js';
import { type SessionFrame, UpscaleSession } from '../pipeline/session.js';
import { type Deadline, Upscaler } from '../pipeline/upscaler.js';
import type { Choice, Verified } from './backends.js';
import type { OwnedFrame } from './frame-kind.js';
import type { StreamSettings } from './protocol.js';

/** What a lane tells its stream. */
export interface LaneListener<F> {
  frame(frame: F): void;
  fallback(from: string, to: string, reason: string): void;
  progress(progress: LoadProgress): void;
  /** Work failed that no call asked for. */
  failed(thrown: unknown): void;
}

/** One network of one stream: its backend and model, once they are chosen, and the session that runs them. */
export class EngineLane<F extends OwnedFrame> {
  #chosen: Promise<Verified<F>> | undefined;
  #verified: Verified<F> | undefined;
  #session: UpscaleSession<F, F>;
  /** Ends the waiting for a model. */
  readonly #closing = new AbortController();

  constructor(
    readonly settings: StreamSettings,
    readonly backends: Choice<F>,
    readonly listener: LaneListener<F>,
  ) {
    this.#session = this.#newSession();
  }

  /** The engine and model in use, once they have answered rightly. */
  get verified(): Verified<F> | undefined {
    return this.#verified;
  }

  get session(): UpscaleSession<F, F> {
    return this.#session;
  }

  /** What the engine holds for this stream. */
  get stream(): EngineStream<F, F> | undefined {
    return this.#session.upscaler?.stream;
  }

  /** Loads and checks the network ahead of its use. Errors come out when it is used. */
  async preload(): Promise<void> {
    try {
      this.#verified = await this.#choose();
    } catch {
      // What failed ahead of time may not fail in time.
      this.#chosen = undefined;
    }
  }

  push(frame: SessionFrame<F>): Promise<void> {
    return this.#session.push(frame);
  }

  /** Forgets the window. The network stays chosen, and its model goes on loading. */
  reset(): void {
    this.#session.dispose();
    this.#session = this.#newSession();
  }

  /** Forgets the choice too: the next use chooses anew. */
  forget(): void {
    this.#chosen = undefined;
    this.#verified = undefined;
    this.reset();
  }

  close(): void {
    this.#closing.abort();
    this.#session.dispose();
  }

  #newSession(): UpscaleSession<F, F> {
    const session: UpscaleSession<F, F> = new UpscaleSession<F, F>({
      clock: realClock,
      budgetMs: this.settings.budgetMs,
      failed: (thrown) => {
        if (this.#session === session) this.listener.failed(thrown);
      },
      open: async (size, deadline) => {
        const emit = (frame: F): void => {
          // A window that is over has nothing to say any more.
          if (this.#session !== session || this.#closing.signal.aborted) frame.close();
          else this.listener.frame(frame);
        };
        return this.#open(size, deadline, emit);
      },
    });
    return session;
  }

  async #open(size: SessionFrame<F>['size'], deadline: Deadline, emit: (frame: F) => void): Promise<Upscaler<F, F>> {
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
      deadline,
      ...(maxTilePixels === null ? {} : { maxTilePixels }),
      emit,
    });
  }

  #choose(): Promise<Verified<F>> {
    this.#chosen ??= this.backends.choose(this.settings, {
      signal: this.#closing.signal,
      fallback: (from, to, reason) => this.listener.fallback(from, to, reason),
      progress: (progress) => this.listener.progress(progress),
    });
    return this.#chosen;
  }
}
