import { reasonOf, UpscaleError } from '../frame/errors.js';
import type { Size } from '../frame/frame.js';
import { smallerModel } from '../model/registry.js';
import type { Clock } from '../pipeline/clock.js';
import type { Governor } from '../pipeline/governor.js';
import type { Variant } from '../pipeline/levels.js';
import { Ramp } from '../pipeline/ramp.js';
import { Alarm } from './alarm.js';
import type { EngineClient, EngineLink, FrameOrder } from './engine-link.js';
import type { EngineReport, Platform } from './protocol.js';

/** Share of the budget for which a frame waits for its turn. */
const FOR_TURN = 0.5;

/** What a {@link Network} tells its stream. */
export interface NetworkListener {
  /** The engine's account, or `undefined` when no network runs any more. */
  report(report: EngineReport | undefined): void;
  /** What was wanted cannot be had. */
  fallback(from: string, to: string, reason: string): void;
}

/** A frame that may go to the network. */
export interface Candidate<F> {
  readonly frame: F;
  /** On the clock of the network. */
  readonly arrivedMs: number;
}

/**
 * One stream's networks in the engine: makes them ready when the governor wants them, hands over frames, and knows which
 * of those have not come out. When the oldest of them is late, the stream goes on without it.
 */
export class Network<P extends Platform> {
  /** The network that is ready for the source's present form. */
  #ready: Variant | undefined;
  /** What is being made ready. */
  #preparing: { variant: Variant; size: Size } | undefined;
  #preparation: Promise<void> = Promise.resolve();
  /** Frames that were handed over and have not come out, oldest first. */
  readonly #inside: { timestampUs: number; arrivedMs: number }[] = [];
  /** What waits for its turn. */
  #offered: Candidate<P['frame']> | undefined;
  #calls = 0;
  /** Raised when the oldest frame is late: until the engine has answered, frames go another way. */
  readonly #late = new Alarm();
  #cancelDeadline: (() => void) | undefined;
  #doneMs = 0;
  #leftOutMs = 0;
  readonly #ramp = new Ramp();

  constructor(
    readonly id: number,
    readonly engine: EngineLink<P>,
    readonly client: EngineClient<P['frame']>,
    readonly governor: Governor,
    readonly clock: Clock,
    readonly listener: NetworkListener,
  ) {}

  /** Frames inside. */
  get length(): number {
    return this.#inside.length;
  }

  /** Frames that the next one waits for. */
  get lookahead(): number {
    return this.#ready ? this.#ramp.lookahead : 0;
  }

  /** Whether frames come out in the form of the present source. */
  get running(): boolean {
    return this.#ready !== undefined;
  }

  /** Whether a network runs, or is being made ready. */
  get busy(): boolean {
    return this.running || this.#preparing !== undefined;
  }

  /** Whether the next frame should go through the network. */
  get usable(): boolean {
    return this.#ready !== undefined && this.governor.variant !== null && !(this.#late.raised && this.#calls > 0);
  }

  /** Settles when what is being made ready is, or cannot be. */
  get prepared(): Promise<void> {
    return this.#preparation;
  }

  /** Makes ready what the governor wants. */
  prepare(size: Size): void {
    const now = this.clock.now();
    const variant = this.governor.wanted(now);
    if (variant === null || this.#preparing) return;
    const preparing = { variant, size };
    this.#preparing = preparing;
    this.governor.preparing();
    this.#preparation = this.engine.prepare(this.id, variant, size).then(
      (report) => {
        if (this.#preparing !== preparing) return;
        this.#preparing = undefined;
        if (!report) {
          this.governor.unavailable(variant, 'The engine gave no answer.', true, this.clock.now());
          return;
        }
        this.#know(report);
        if (this.governor.rehearsed(variant, report.rehearsedMs, this.clock.now())) this.#begin(variant, report);
        else this.engine.reset(this.id, variant);
      },
      (error: UpscaleError) => {
        if (this.#preparing !== preparing) return;
        this.#preparing = undefined;
        this.#tellUnavailable(variant, error);
        this.governor.unavailable(variant, error.message, error.recoverable, this.clock.now());
      },
    );
  }

  /**
   * Waits for the stream's turn and hands over a frame.
   * @param order how the engine is to take it; `passedUs` is the time of the last frame that has left the stream
   * @param newest trades a frame for a newer one of its kind, if one has come meanwhile
   * @returns the frame, if there was no time for it; otherwise the engine owns it, and the next one may follow
   */
  async offer(
    first: Candidate<P['frame']>,
    order: Pick<FrameOrder, 'size' | 'fresh' | 'passedUs'>,
    newest: (first: Candidate<P['frame']>) => Candidate<P['frame']>,
  ): Promise<Candidate<P['frame']> | undefined> {
    if (this.#calls === 0) this.#late.calm();
    const turn = this.engine.turn(this.client);
    this.#offered = first;
    this.#watch();
    const release = await this.#late.unless(turn);
    this.#offered = undefined;
    if (!release || !this.usable) {
      this.#watch();
      turn.then((end) => end());
      return first;
    }
    const { frame, arrivedMs } = newest(first);
    const lookahead = this.#ramp.towards(this.governor.lookahead);
    this.#inside.push({ timestampUs: frame.timestamp, arrivedMs });
    this.#watch();
    const { taken, done } = this.#send(frame, arrivedMs, { ...order, lookahead }, release);
    const ahead = this.governor.ahead && !this.engine.shared;
    await this.#late.unless(ahead ? taken : done);
    return undefined;
  }

  /**
   * A frame came out.
   * @returns whether it was waited for
   */
  came(timestampUs: number): boolean {
    const at = this.#inside.findIndex((frame) => frame.timestampUs === timestampUs);
    if (at < 0) return false;
    this.#inside.splice(0, at + 1);
    this.#watch();
    return true;
  }

  /**
   * A frame has left another way: those inside that are not newer come too late.
   * @returns how many those are
   */
  passed(timestampUs: number): number {
    const newer = this.#inside.findIndex((frame) => frame.timestampUs > timestampUs);
    const late = this.#inside.splice(0, newer < 0 ? this.#inside.length : newer);
    if (late.length > 0) this.#watch();
    return late.length;
  }

  /** Settles when every frame inside has come out, or is late. */
  async flush(): Promise<void> {
    await this.#late.unless(this.finish());
  }

  /** Settles when every frame inside has come out: the end of the source, after which nothing is late. */
  async finish(): Promise<void> {
    if (!this.#ready || this.#inside.length === 0) return;
    try {
      const report = await this.engine.flush(this.id);
      if (report) this.listener.report(report);
    } catch (thrown) {
      this.client.lost(asError(thrown));
    }
  }

  /**
   * What is inside is not wanted any more.
   * @returns how many frames that are
   */
  stop(): number {
    const lost = this.#leave();
    this.engine.reset(this.id);
    this.listener.report(undefined);
    return lost;
  }

  dispose(): void {
    this.#leave();
  }

  #leave(): number {
    this.#ready = undefined;
    this.#preparing = undefined;
    const { length } = this.#inside;
    this.#inside.length = 0;
    this.#watch();
    // Whoever waits for a turn or an answer need not wait any longer.
    this.#late.raise();
    return length;
  }

  /** Calls the engine, and learns from its answer. Neither promise rejects. */
  #send(
    frame: P['frame'],
    arrivedMs: number,
    order: Pick<FrameOrder, 'size' | 'fresh' | 'passedUs' | 'lookahead'>,
    release: () => void,
  ): { taken: Promise<void>; done: Promise<void> } {
    const variant = this.#ready as Variant;
    const sentMs = this.clock.now();
    const disturbed = this.engine.preparing;
    this.#calls++;
    const { taken, done } = this.engine.frame(this.id, frame, {
      ...order,
      variant,
      arrivedMs: performance.timeOrigin + arrivedMs,
    });
    const over = (): void => {
      release();
      this.#calls--;
      if (this.#calls === 0) this.#late.calm();
    };
    const answered = done.then(
      (report) => {
        over();
        const now = this.clock.now();
        const took = now - Math.max(sentMs, this.#doneMs);
        this.#doneMs = now;
        if (this.#ready !== variant || !report) return;
        // What was left out for want of time is part of what a frame costs.
        const ms = took + Math.max(0, report.leftOutMs - this.#leftOutMs);
        this.#leftOutMs = report.leftOutMs;
        this.listener.report(report);
        // Beside a network that is made ready, time says nothing of this one.
        if (!disturbed && !this.engine.preparing) this.governor.worked(ms, now);
      },
      (thrown) => {
        over();
        if (this.#ready === variant) this.client.lost(asError(thrown));
      },
    );
    return { taken, done: answered };
  }

  #begin(variant: Variant, report: EngineReport): void {
    this.#ready = variant;
    this.#ramp.restart();
    this.#leftOutMs = report.leftOutMs;
    this.listener.report(report);
    // The smaller network may be needed in a hurry.
    if (variant === 'own' && this.governor.smaller !== null) this.engine.preload(this.id, 'small');
  }

  /** Once the model is known, so is the one that stands in for it. */
  #know({ backend }: EngineReport): void {
    const { model, scale } = this.client.settings;
    this.governor.smaller = smallerModel(model, backend, scale)?.cost ?? null;
  }

  #tellUnavailable(variant: Variant, error: UpscaleError): void {
    const to = variant === 'small' ? 'fast' : this.governor.variant === 'small' ? 'small' : 'fast';
    this.listener.fallback(variant === 'small' ? 'small' : 'network', to, error.message);
  }

  /** Keeps an eye on the oldest frame. */
  #watch(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    const { budgetMs } = this.client.settings;
    const [oldest] = this.#inside;
    const dueMs = oldest ? oldest.arrivedMs + budgetMs : (this.#offered?.arrivedMs ?? 0) + budgetMs * FOR_TURN;
    if ((!oldest && !this.#offered) || dueMs === Number.POSITIVE_INFINITY) return;
    this.#cancelDeadline = this.clock.after(Math.max(0, dueMs - this.clock.now()), () => {
      this.#late.raise();
    });
  }
}

function asError(thrown: unknown): UpscaleError {
  return thrown instanceof UpscaleError
    ? thrown
    : new UpscaleError('engine-failed', reasonOf(thrown), { cause: thrown });
}
