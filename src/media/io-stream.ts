import { reasonOf, type UpscaleError } from '../frame/errors.js';
import { type Size, sameSize, sizeText } from '../frame/frame.js';
import { Mailbox } from '../pipeline/mailbox.js';
import type { EngineLink } from './engine-link.js';
import { type FrameShape, sameShape, shapeOf, shownLike } from './frame-shape.js';
import { Meter } from './meter.js';
import type { EngineReport, StreamSettings } from './protocol.js';
import { FastScaler } from './scaler.js';
import type { Interruption, Level, UpscaleEvent } from './stats.js';

/** Where a stream's output goes. */
export interface Sink {
  /** Takes a frame and owns it. */
  write(frame: VideoFrame): void;
  /** Settles when the frames that were written have left, or never will. */
  close(): Promise<void>;
}

/** A failed network is tried again after this long, doubled each time; one that was too slow, not before `slow`. */
const RETRY_MS = { first: 500, slow: 5_000, most: 60_000 } as const;

/**
 * The network is too slow when a frame takes longer than the budget this often in a row, or once this many times as
 * long. Until then a slow frame may be a stall of the machine.
 */
const TOO_SLOW = { frames: 3, times: 3 } as const;
/** Frames in a row within the budget after which an earlier failure is forgotten. */
const WELL_AGAIN = 100;

/**
 * One stream in the `io` worker: decides for each source frame what makes its picture, and sees to it that frames leave
 * in order, at one size, whatever happens to the engine.
 */
export class IoStream {
  readonly meter: Meter;
  readonly #mailbox: Mailbox<VideoFrame>;
  #size: Size | undefined;
  #scaler: FastScaler | undefined;
  /** Timestamps of the last frame that came, and of the last that left. */
  #lastSource = Number.NEGATIVE_INFINITY;
  #lastTimestamp = Number.NEGATIVE_INFINITY;
  #level: Level = 'fast';
  #levelReason = 'The network is starting.';
  /** Why the next frame does not go on from those before. */
  #interruption: Interruption | undefined;
  /** What the network is ready for, or being made ready for. */
  #network: { shape: FrameShape; ready: boolean } | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #retryMs: number = RETRY_MS.first;
  /** The network failed for a reason that time does not mend. */
  #hopeless = false;
  #slowFrames = 0;
  #goodFrames = 0;
  readonly #told = new Set<string>();
  #closed = false;

  constructor(
    readonly id: number,
    readonly settings: StreamSettings,
    readonly engine: EngineLink,
    readonly sink: Sink,
    readonly tell: (event: UpscaleEvent) => void,
    openedMs: number,
  ) {
    this.meter = new Meter(openedMs);
    if (settings.size) this.#fix(settings.size);
    this.#mailbox = new Mailbox<VideoFrame>(
      (frame) => this.#handle(frame),
      (frame) => {
        frame.close();
        if (!this.#closed) this.meter.dropped.busy++;
      },
      (thrown) => this.#lost(reasonOf(thrown)),
    );
    engine.open(id, settings, {
      frame: (frame) => this.#fromNetwork(frame),
      fallback: (from, to, reason) => this.#fallBack(from, to, reason),
      loading: (progress) => this.tell({ type: 'loading', ...progress }),
      lost: (error) => this.#lost(error.message),
    });
  }

  /** Takes a source frame and owns it. */
  push(frame: VideoFrame): void {
    if (this.#closed) {
      frame.close();
      return;
    }
    this.meter.received(frame.timestamp, shapeOf(frame).size, performance.now());
    this.#mailbox.offer(frame);
  }

  /** What comes from now on does not go on from what came before. */
  interrupt(cause: Interruption): void {
    this.#interruption = cause;
  }

  /** The source is over: settles when every frame that was taken has left. */
  async finish(): Promise<void> {
    await this.#mailbox.idle();
    await this.#flush();
  }

  /** Releases everything. Frames on their way are closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#network = undefined;
    clearTimeout(this.#retry);
    this.#mailbox.close();
    this.engine.close(this.id);
    await this.sink.close();
  }

  async #handle(frame: VideoFrame): Promise<void> {
    const shape = shapeOf(frame);
    const { width, height } = shape.display;
    this.#fix({ width: width * this.settings.scale, height: height * this.settings.scale });
    const target = this.#size as Size;
    const large = width >= target.width && height >= target.height;
    // A source that was replaced may begin again at an earlier time.
    const again = frame.timestamp < this.#lastSource;
    const shown = this.#network?.shape;
    if (shown && (large || again || !sameShape(shown, shape))) {
      // What belongs to the old window leaves before the first frame of the new one.
      await this.#flush();
      this.#interruption = again ? 'source' : 'shape';
      if (this.#network) this.#network.shape = shape;
      if (large || !sameSize(shown.size, shape.size)) {
        this.#network = undefined;
        this.engine.reset(this.id);
        this.meter.engine(undefined);
      }
    }
    if (this.#closed) {
      frame.close();
      return;
    }
    if (again) this.#lastTimestamp = Number.NEGATIVE_INFINITY;
    this.#lastSource = frame.timestamp;
    if (large) {
      this.#levelReason = `The source is ${sizeText(shape.display)} already.`;
      this.#emit(frame, 'pass-through');
    } else if (this.#network?.ready) {
      await this.#toNetwork(frame, shape.size);
    } else {
      this.#prepare(shape);
      this.#emit(frame, 'fast');
    }
  }

  /** Settles when the next frame may be handed over. */
  async #toNetwork(frame: VideoFrame, size: Size): Promise<void> {
    const network = this.#network;
    const interruption = this.#interruption;
    this.#interruption = undefined;
    if (interruption) this.meter.interrupted[interruption]++;
    const { taken, done } = this.engine.frame(this.id, frame, size, interruption !== undefined);
    let start = performance.now();
    taken.then(() => {
      start = performance.now();
    });
    done.then(
      (report) => {
        if (this.#network !== network) return;
        this.#accept(report);
        this.#judge(performance.now() - start);
      },
      (thrown) => {
        if (!this.#closed) this.meter.dropped.failed++;
        if (this.#network === network) this.#lost(reasonOf(thrown));
      },
    );
    const patienceMs = this.settings.budgetMs * TOO_SLOW.times;
    if (await within(patienceMs, taken)) return;
    // Behind another stream's network that is being made ready, waiting says nothing of this one.
    if (this.engine.preparing) await taken;
    else if (this.#network === network) this.#tooSlow(patienceMs);
  }

  /** Leaves a network that takes longer than the budget again and again. */
  #judge(ms: number): void {
    if (this.engine.preparing) return;
    const slow = ms > this.settings.budgetMs;
    this.#slowFrames = slow ? this.#slowFrames + 1 : 0;
    this.#goodFrames = slow ? 0 : this.#goodFrames + 1;
    if (this.#slowFrames >= TOO_SLOW.frames) this.#tooSlow(ms);
    else if (this.#goodFrames >= WELL_AGAIN) this.#retryMs = RETRY_MS.first;
  }

  #tooSlow(ms: number): void {
    this.#retryMs = Math.max(this.#retryMs, RETRY_MS.slow);
    const { budgetMs } = this.settings;
    this.#lost(`The network takes more than ${Math.floor(ms)} ms for a frame; the budget is ${budgetMs} ms.`);
  }

  #prepare(shape: FrameShape): void {
    if (this.#network || this.#hopeless || this.#retry !== undefined) return;
    const network = { shape, ready: false };
    this.#network = network;
    this.engine.prepare(this.id, shape.size).then(
      (report) => {
        if (this.#network !== network) return;
        network.ready = true;
        this.#levelReason = 'The network is ready.';
        this.#accept(report);
      },
      (error: UpscaleError) => {
        if (this.#network === network) this.#lost(error.message, error.recoverable);
      },
    );
  }

  #fromNetwork(frame: VideoFrame): void {
    if (!this.#network) {
      if (!this.#closed) this.meter.dropped.late++;
      frame.close();
      return;
    }
    try {
      this.#emit(shownLike(frame, this.#network.shape, this.settings.scale), 'network');
    } catch {
      this.meter.dropped.failed++;
      frame.close();
    }
  }

  #accept(report: EngineReport | undefined): void {
    if (report) this.meter.engine(report);
  }

  async #flush(): Promise<void> {
    if (!this.#network?.ready) return;
    try {
      this.#accept(await this.engine.flush(this.id));
    } catch (thrown) {
      this.#lost(reasonOf(thrown));
    }
  }

  /** The network failed: frames go by the fast scaler, and the network is tried again later, if that may help. */
  #lost(reason: string, recoverable = true): void {
    if (this.#closed) return;
    if (this.#network) this.#fallBack('network', 'fast', reason);
    this.#network = undefined;
    this.engine.reset(this.id);
    this.#slowFrames = 0;
    this.#levelReason = reason;
    this.meter.engine(undefined);
    if (!recoverable) this.#hopeless = true;
    if (this.#hopeless || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.most);
  }

  /** Tells of a fallback; one that is met again at every try is news only once. */
  #fallBack(from: string, to: string, reason: string): void {
    const news = `${from} ${to} ${reason}`;
    if (from !== 'network') {
      if (this.#told.has(news)) return;
      this.#told.add(news);
    }
    this.tell({ type: 'fallback', from, to, reason });
  }

  /** The output's size is decided once. */
  #fix(size: Size): void {
    if (this.#size) return;
    this.#size = size;
    this.meter.outputSize(size);
  }

  /** Sends a frame off in the output's size, unless a later one has left already. Owns the frame. */
  #emit(frame: VideoFrame, level: Level): void {
    if (this.#closed || frame.timestamp <= this.#lastTimestamp) {
      if (!this.#closed) this.meter.dropped.late++;
      frame.close();
      return;
    }
    this.#lastTimestamp = frame.timestamp;
    const target = this.#size as Size;
    let out = frame;
    if (frame.displayWidth !== target.width || frame.displayHeight !== target.height) {
      try {
        this.#scaler ??= new FastScaler(target);
        out = this.#scaler.draw(frame);
      } catch {
        this.meter.dropped.failed++;
        return;
      } finally {
        frame.close();
      }
    }
    if (level !== this.#level) {
      this.tell({ type: 'level', from: this.#level, to: level, reason: this.#levelReason });
      this.#level = level;
    }
    this.meter.emitted(out.timestamp, level, performance.now());
    this.sink.write(out);
  }
}

/** Whether a promise settles within `ms`. */
async function within(ms: number, promise: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const settled = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return settled;
}
