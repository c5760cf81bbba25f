import { reasonOf, type UpscaleError } from '../frame/errors.js';
import { type Size, sameSize, sizeText } from '../frame/frame.js';
import { realClock } from '../pipeline/clock.js';
import { Governor } from '../pipeline/governor.js';
import { byNetwork, type Level } from '../pipeline/levels.js';
import { Mailbox } from '../pipeline/mailbox.js';
import type { EngineClient, EngineLink } from './engine-link.js';
import { type FrameKind, type FrameShape, sameShape } from './frame-kind.js';
import { Meter } from './meter.js';
import { type Candidate, Network } from './network.js';
import { OutputSize } from './output-size.js';
import type { Platform, StreamSettings } from './protocol.js';
import type { Interruption, UpscaleEvent, UpscaleStats } from './stats.js';
import type { Rank } from './turns.js';

/** A stream without frames for so long takes no share of the engine. */
const SILENT_MS = 1_000;

/** Where a stream's output goes. */
export interface Sink<F> {
  /** Takes a frame, and owns it, and what made it. `false`: its consumer is behind, and the frame is gone. */
  write(frame: F, made: Level): boolean;
  /** Settles when the frames that were written have left, or never will. */
  close(): Promise<void>;
}

/**
 * One stream in the `io` worker: decides for each source frame what makes its picture, and sees to it that frames leave
 * in order, at one size and in time, whatever happens to the engine.
 */
export class IoStream<P extends Platform> {
  readonly #meter: Meter;
  readonly #governor: Governor;
  readonly #network: Network<P>;
  readonly #mailbox: Mailbox<Candidate<P['frame']>>;
  readonly #client: EngineClient<P['frame']>;
  readonly #output: OutputSize<P['frame']>;
  /** Of the frames that go to the network now. */
  #shape: FrameShape | undefined;
  /** The source is as large as the output. */
  #large = false;
  /** Timestamps of the last frame that came, and of the last that left. */
  #lastSource = Number.NEGATIVE_INFINITY;
  #lastTimestamp = Number.NEGATIVE_INFINITY;
  /** The level that was told last. */
  #level: Level = 'fast';
  /** Why the next frame does not go on from those before. */
  #interruption: Interruption | undefined;
  #priority: number;
  readonly #told = new Set<string>();
  #closed = false;
  #arrivedMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly id: number,
    readonly settings: StreamSettings,
    readonly kind: FrameKind<P['frame']>,
    readonly engine: EngineLink<P>,
    readonly sink: Sink<P['frame']>,
    readonly tell: (event: UpscaleEvent) => void,
  ) {
    this.#meter = new Meter(realClock.now());
    this.#governor = new Governor(settings);
    this.#priority = settings.priority;
    this.#output = new OutputSize(kind, (ms) => this.#governor.scaled(ms));
    if (settings.size) {
      this.#output.fix(settings.size);
      this.#meter.outputSize(settings.size);
    }
    this.#mailbox = new Mailbox<Candidate<P['frame']>>(
      (candidate) => this.#handle(candidate),
      (candidate) => this.#dropBusy(candidate),
      (thrown) => this.#lost(reasonOf(thrown)),
    );
    this.#client = this.#newClient();
    this.#network = new Network<P>(id, engine, this.#client, this.#governor, realClock, {
      report: (report) => this.#meter.engine(report),
      fallback: (from, to, reason) => this.#fallBack(from, to, reason),
    });
    engine.open(id, this.#client);
  }

  /** The figures now. */
  stats(): UpscaleStats {
    return this.#meter.snapshot(realClock.now(), {
      levelReason: this.#decision().reason,
      lookahead: this.#network.lookahead,
      queueLength: this.#network.length + (this.#mailbox.waiting ? 1 : 0),
      engineRestarts: this.engine.restarts,
    });
  }

  /** Who goes first where the engine has not the time for all streams. */
  set priority(priority: number) {
    this.#priority = priority;
  }

  /** Takes a source frame and owns it. */
  push(frame: P['frame'], arrivedMs = realClock.now()): void {
    if (this.#closed) {
      frame.close();
      return;
    }
    this.#arrivedMs = arrivedMs;
    this.#meter.received(frame.timestamp, this.kind.shapeOf(frame).size, arrivedMs);
    this.#governor.share = this.engine.share(this.#client);
    this.#governor.arrived(arrivedMs);
    this.#governor.waited(realClock.now() - arrivedMs, arrivedMs);
    this.#mailbox.offer({ frame, arrivedMs });
  }

  /** To get rid of an output frame took so long, beside making it. */
  spent(ms: number): void {
    this.#governor.spent(ms);
  }

  /** What comes from now on does not go on from what came before. */
  interrupt(cause: Interruption): void {
    this.#interruption = cause;
    // A frame that still waits is of what came before.
    const old = this.#mailbox.takeIf(() => true);
    if (old) this.#dropBusy(old);
  }

  /** The source is over: settles when every frame that was taken has left. */
  async finish(): Promise<void> {
    await this.#mailbox.idle();
    await this.#network.finish();
  }

  /** Releases everything. Frames on their way are closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.dispose();
    this.#mailbox.close();
    this.engine.close(this.id);
    this.#output.dispose();
    await this.sink.close();
  }

  async #handle(candidate: Candidate<P['frame']>): Promise<void> {
    const { frame } = candidate;
    const shape = this.kind.shapeOf(frame);
    const target = this.#fix(shape.display);
    const large = shape.display.width >= target.width && shape.display.height >= target.height;
    await this.#follow(shape, frame.timestamp, large);
    if (this.#closed) {
      frame.close();
    } else if (large) {
      this.#emit(frame, 'pass-through');
    } else {
      this.#network.prepare(shape.size);
      // What is not live waits for the network.
      if (this.settings.budgetMs === Number.POSITIVE_INFINITY) await this.#network.prepared;
      const left = await this.#toNetwork(candidate, shape);
      if (left) this.#emit(left.frame, this.#governor.level === 'pass-through' ? 'pass-through' : 'fast');
    }
  }

  /** What belongs to an old window leaves before the first frame of a new one. */
  async #follow(shape: FrameShape, timestampUs: number, large: boolean): Promise<void> {
    // A source that was replaced may begin again at an earlier time.
    const again = timestampUs < this.#lastSource;
    const before = this.#shape;
    const other = before !== undefined && !sameShape(before, shape);
    if (large || again || other || this.#governor.variant === null) await this.#network.flush();
    if (before && (again || other)) this.#interruption = again ? 'source' : 'shape';
    if ((large && !this.#large) || (before && !sameSize(before.size, shape.size))) {
      this.#meter.dropped.late += this.#network.stop();
      this.#governor.resized(realClock.now());
    } else if (this.#governor.variant === null && this.#network.running) {
      this.#meter.dropped.late += this.#network.stop();
    }
    // What the flush did not bring in time must not come after the first frame of what follows.
    if (again || other) this.#meter.dropped.late += this.#network.passed(Number.POSITIVE_INFINITY);
    if (again) this.#lastTimestamp = Number.NEGATIVE_INFINITY;
    this.#shape = shape;
    this.#large = large;
    this.#lastSource = timestampUs;
  }

  /** Hands over a frame, or a newer one, if there is time. What is given back has to leave another way. */
  async #toNetwork(candidate: Candidate<P['frame']>, shape: FrameShape): Promise<Candidate<P['frame']> | undefined> {
    if (!this.#network.usable) return candidate;
    const interruption = this.#interruption;
    const order = {
      size: shape.size,
      fresh: interruption !== undefined,
      passedUs: Number.isFinite(this.#lastTimestamp) ? this.#lastTimestamp : null,
    };
    const left = await this.#network.offer(candidate, order, (first) => this.#newest(first, shape));
    if (left === undefined && interruption) {
      this.#meter.interrupted[interruption]++;
      if (this.#interruption === interruption) this.#interruption = undefined;
    }
    return left;
  }

  /** A frame that came while another waited for its turn takes that one's place. */
  #newest(first: Candidate<P['frame']>, shape: FrameShape): Candidate<P['frame']> {
    const newer = this.#mailbox.takeIf(
      ({ frame }) => frame.timestamp > first.frame.timestamp && sameShape(this.kind.shapeOf(frame), shape),
    );
    if (!newer) return first;
    this.#dropBusy(first);
    this.#lastSource = newer.frame.timestamp;
    return newer;
  }

  #dropBusy({ frame }: Candidate<P['frame']>): void {
    frame.close();
    if (!this.#closed) this.#meter.dropped.busy++;
  }

  #newClient(): EngineClient<P['frame']> {
    const stream = this;
    return {
      settings: this.settings,
      get rank(): Rank {
        const { width, height } = stream.#output.size ?? { width: 0, height: 0 };
        return [stream.#priority, width * height, -stream.id];
      },
      get load(): number {
        const silent = realClock.now() - stream.#arrivedMs > SILENT_MS;
        return stream.#large || silent ? 0 : stream.#governor.load;
      },
      frame: (frame) => this.#fromNetwork(frame),
      fallback: (from, to, reason) => this.#fallBack(from, to, reason),
      loading: (progress) => this.tell({ type: 'loading', ...progress }),
      lost: (error: UpscaleError) => this.#lost(error.message),
    };
  }

  #fromNetwork(frame: P['frame']): void {
    if (this.#closed || !this.#network.came(frame.timestamp) || !this.#shape) {
      // It is counted already: its time was up, or its window.
      frame.close();
      return;
    }
    try {
      this.#emit(this.kind.shownLike(frame, this.#shape, this.settings.scale), 'network');
    } catch {
      this.#meter.dropped.failed++;
      frame.close();
    }
  }

  /** The network failed: frames go another way, and it is tried again later. */
  #lost(reason: string): void {
    if (this.#closed) return;
    if (this.#network.busy) this.#fallBack('network', 'fast', reason);
    this.#meter.dropped.failed += this.#network.stop();
    this.#governor.lost(reason, realClock.now());
  }

  /** Tells of a fallback; one that is met again at every try is news only once, until the network has run again. */
  #fallBack(from: string, to: string, reason: string): void {
    const news = `${from} ${to} ${reason}`;
    if (this.#told.has(news)) return;
    this.#told.add(news);
    this.tell({ type: 'fallback', from, to, reason });
  }

  /** The output's size beside a source that is shown so large: decided once, unless it follows. */
  #fix(shown: Size): Size {
    const { scale, size, followTo } = this.settings;
    const before = this.#output.size;
    if (before && followTo === null) return before;
    const larger = { width: shown.width * scale, height: shown.height * scale };
    const follows = followTo !== null && larger.width * larger.height > followTo ? shown : larger;
    const fixed = followTo === null ? (size ?? larger) : follows;
    this.#output.fix(fixed);
    this.#meter.outputSize(fixed);
    return fixed;
  }

  /** What makes the picture now, and why. */
  #decision(): { level: Level; reason: string } {
    const shown = this.#shape?.display;
    if (this.#large && shown) return { level: 'pass-through', reason: `The source is ${sizeText(shown)} already.` };
    const { level, reason } = this.#governor;
    return { level, reason };
  }

  /** Sends a frame off in the output's size, unless a later one has left already. Owns the frame. */
  #emit(frame: P['frame'], maker: 'network' | 'fast' | 'pass-through'): void {
    if (this.#closed || frame.timestamp <= this.#lastTimestamp) {
      if (!this.#closed) this.#meter.dropped.late++;
      frame.close();
      return;
    }
    let fitted: ReturnType<OutputSize<P['frame']>['fit']>;
    try {
      // A source of another shape than the output gets black bars, so it is drawn although it is large enough.
      fitted = this.#output.fit(frame, maker === 'pass-through' && !this.#large);
    } catch {
      this.#meter.dropped.failed++;
      return;
    }
    const { frame: out, plain } = fitted;
    const { timestamp } = out;
    if (maker === 'network') this.#told.clear();
    else this.#meter.dropped.late += this.#network.passed(timestamp);
    this.#lastTimestamp = timestamp;
    this.#tellLevel();
    const network = byNetwork(this.#level) ? this.#level : 'full';
    const made = plain ? 'pass-through' : maker === 'network' ? network : maker;
    if (this.sink.write(out, made)) this.#meter.delivered(timestamp, made, realClock.now());
    else this.#meter.dropped.unread++;
  }

  /** A level is told with the first frame that leaves by it. */
  #tellLevel(): void {
    const { level, reason } = this.#decision();
    const move = this.#governor.takeMove();
    if (level === this.#level && !(move && byNetwork(level))) return;
    const from = this.#level;
    this.#level = level;
    this.#meter.level(level);
    const numbers = this.#large ? null : (move?.numbers ?? null);
    this.tell({ type: 'level', from, to: level, reason, numbers });
  }
}
