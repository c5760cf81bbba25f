import { noTimes, type StageTimes } from '../engine/engine.js';
import type { Size } from '../frame/frame.js';
import { sameSize } from '../frame/frame.js';
import type { Clock } from './clock.js';
import { PLANNED } from './fit.js';
import { Pace } from './pace.js';
import { type Deadline, noCounts, type PushedFrame, type Upscaler, type UpscalerCounts } from './upscaler.js';

/** A source frame on its way through a session. Its times are those of the session's clock. */
export interface SessionFrame<In> extends PushedFrame {
  readonly frame: In;
  readonly size: Size;
}

/** Settings of an {@link UpscaleSession}. */
export interface SessionOptions<In, Out> {
  /** Opens the pipeline for pictures of a size, with the deadline that is given. */
  readonly open: (size: Size, deadline: Deadline) => Promise<Upscaler<In, Out>>;
  readonly clock: Clock;
  /** Longest time from a frame's arrival to its departure, in milliseconds. */
  readonly budgetMs: number;
  /** Told of errors of flushes that the session started itself. */
  readonly failed: (thrown: unknown) => void;
}

/** A longer time between two frames is a pause, not a frame rate. */
const PAUSE_MS = 1000;
/** A pipeline whose first frame took this many times the budget is not tried a second time to measure it. */
const HOPELESS = 4;

/**
 * A stream through an {@link Upscaler}: one call at a time, a new pipeline when the picture's size changes, and waiting
 * centres sent off before their deadline when the next frame does not come.
 */
export class UpscaleSession<In, Out> {
  #last: Promise<unknown> = Promise.resolve();
  #open: { size: Size; upscaler: Upscaler<In, Out> } | undefined;
  #cancelTimer: (() => void) | undefined;
  #disposed = false;
  /** What the tiles would have taken for which there was no time. */
  leftOutMs = 0;
  /** Milliseconds the last frame that was fused took: how long before its deadline a centre has to be started. */
  #costMs = 0;
  /** When the last frame came, and the running mean of the time between frames. */
  #lastMs = 0;
  #intervalMs = 0;
  /** Milliseconds a frame took when the pipeline was opened. */
  #rehearsedMs = 0;
  readonly #deadline: Deadline;
  /** What pipelines that are closed by now did. */
  readonly #past = { counts: noCounts(), times: noTimes() };

  constructor(readonly options: SessionOptions<In, Out>) {
    const pace = new Pace(options.clock);
    this.#deadline = {
      begin: ({ arrivedMs }) => pace.begin(arrivedMs + options.budgetMs * PLANNED),
      next: () => pace.next(),
      left: (tiles) => {
        this.leftOutMs += tiles * pace.tileMs;
      },
    };
  }

  /** What has been done since the session began. */
  get counts(): UpscalerCounts {
    return sumOf(this.#past.counts, this.#open?.upscaler.counts);
  }

  /** Milliseconds by stage since the session began. */
  get times(): StageTimes {
    return sumOf(this.#past.times, this.#open?.upscaler.times);
  }

  /** The pipeline in use. */
  get upscaler(): Upscaler<In, Out> | undefined {
    return this.#open?.upscaler;
  }

  /** Milliseconds a frame took before the first one came, once {@link prepare} has settled. */
  get rehearsedMs(): number {
    return this.#rehearsedMs;
  }

  /** Opens the pipeline for a size ahead of its first frame, and measures what a frame takes. */
  prepare(size: Size): Promise<void> {
    return this.#queue(async () => {
      const { clock, budgetMs } = this.options;
      const before = this.#open?.upscaler;
      const opening = clock.now();
      const upscaler = await this.#pipeline(size);
      if (upscaler === before) return;
      const opened = clock.now();
      this.#rehearsedMs = opened - opening;
      if (this.#rehearsedMs > budgetMs * HOPELESS) return;
      await upscaler.rehearse();
      this.#rehearsedMs = clock.now() - opened;
    });
  }

  /** Settles when the frame is encoded and every centre that became due has been handed out. */
  push({ frame, size, ...pushed }: SessionFrame<In>): Promise<void> {
    const { arrivedMs, release } = pushed;
    return this.#queue(async () => {
      let upscaler: Upscaler<In, Out>;
      try {
        upscaler = await this.#pipeline(size);
      } catch (thrown) {
        release();
        throw thrown;
      }
      await this.#measured(upscaler, () => upscaler.push(frame, pushed));
      // A centre whose time is up before the next frame is expected waits for nothing. One each time, so that frames
      // leave as evenly as they come; behind a slow network the timer would never get its turn.
      this.#expect(arrivedMs);
      const nextMs = arrivedMs + this.#intervalMs - this.options.clock.now();
      if (this.#msLeft() <= Math.max(0, nextMs)) await this.#measured(upscaler, () => upscaler.flushOne());
    }, release);
  }

  /** Work that may fuse frames, by which the next one's cost is judged. */
  async #measured(upscaler: Upscaler<In, Out>, work: () => Promise<void>): Promise<void> {
    const start = this.options.clock.now();
    const fusedBefore = upscaler.counts.framesFused;
    await work();
    const fused = upscaler.counts.framesFused - fusedBefore;
    if (fused > 0) this.#costMs = (this.options.clock.now() - start) / fused;
  }

  /** Hands out everything that waits: the end of the source, or of its present form. */
  flush(): Promise<void> {
    return this.#queue(async () => {
      await this.#open?.upscaler.flush();
    });
  }

  /** Releases the pipeline once the call under way is over. What waits is not handed out. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#cancelTimer?.();
    const close = (): void => this.#close();
    this.#last.then(close, close);
  }

  #close(): void {
    if (!this.#open) return;
    const { upscaler } = this.#open;
    this.#open = undefined;
    Object.assign(this.#past.counts, sumOf(this.#past.counts, upscaler.counts));
    Object.assign(this.#past.times, sumOf(this.#past.times, upscaler.times));
    upscaler.dispose();
  }

  async #pipeline(size: Size): Promise<Upscaler<In, Out>> {
    if (this.#open && sameSize(this.#open.size, size)) return this.#open.upscaler;
    if (this.#open) {
      try {
        await this.#open.upscaler.flush();
      } finally {
        this.#close();
      }
    }
    const upscaler = await this.options.open(size, this.#deadline);
    this.#open = { size, upscaler };
    return upscaler;
  }

  #queue(job: () => Promise<void>, skipped?: () => void): Promise<void> {
    const run = async (): Promise<void> => {
      if (this.#disposed) {
        skipped?.();
        return;
      }
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
      await job();
      this.#startTimer();
    };
    const next = this.#last.then(run, run);
    this.#last = next;
    return next;
  }

  #expect(arrivedMs: number): void {
    const gap = arrivedMs - this.#lastMs;
    this.#lastMs = arrivedMs;
    if (gap < PAUSE_MS) this.#intervalMs += (gap - this.#intervalMs) / 8;
  }

  /** How long the oldest waiting centre may still wait, in milliseconds. */
  #msLeft(): number {
    const waiting = this.#open?.upscaler.waiting;
    if (!waiting) return Number.POSITIVE_INFINITY;
    const { clock, budgetMs } = this.options;
    return waiting.arrivedMs + budgetMs * PLANNED - this.#costMs - clock.now();
  }

  #startTimer(): void {
    const ms = this.#msLeft();
    if (ms === Number.POSITIVE_INFINITY || this.#disposed) return;
    this.#cancelTimer = this.options.clock.after(Math.max(0, ms), () => {
      this.#queue(async () => {
        const upscaler = this.#open?.upscaler;
        if (upscaler) await this.#measured(upscaler, () => upscaler.flushOne());
      }).catch(this.options.failed);
    });
  }
}

/** The sum of two records of numbers with the same keys. */
export function sumOf<T extends UpscalerCounts | StageTimes>(a: T, b: Readonly<T> | undefined): T {
  const total = { ...a };
  for (const key of Object.keys(a) as (keyof T)[]) {
    total[key] = ((a[key] as number) + ((b?.[key] as number | undefined) ?? 0)) as T[keyof T];
  }
  return total;
}
