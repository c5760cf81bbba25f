import { type Conditions, delayOf, longestLookahead, PLANNED, short, whyNot } from './fit.js';
import { byNetwork, type Level, type Move, type Variant } from './levels.js';
import { Medians } from './medians.js';
import { ScalingCost } from './scaling.js';

/** What a {@link Governor} keeps. */
export interface GovernorSettings {
  /** Longest time from a frame's arrival to its departure, lookahead included, in milliseconds. */
  readonly budgetMs: number;
  /** Frames to wait for after each frame, if there is time. */
  readonly lookahead: number;
  /** Frames a second that the network must make, where the source has as many. */
  readonly minFrameRate: number;
}

/** After a move, the next waits this long; only failures do not wait. */
const REST_MS = 2_000;
/** After a way up was tried in vain it is tried again after this long, doubled each time. */
const HOLD_MS = { first: 2_000, most: 60_000 } as const;
/** After the network failed it is tried again after this long, doubled each time. */
const RETRY_MS = { first: 200, most: 60_000 } as const;
/** A failure is forgotten after so many frames without another, a vain way up after so long. */
const WELL_AGAIN = 50;
const FORGET_MS = 30_000;
/** How much better than needed things must look for a way up. */
const MARGIN = 1.25;
/** Costs that must be known before something is decided by them: with three, one is outvoted. */
const ENOUGH = 3;
/** Share of the budget, and least time, that frames may wait before anybody looks at them; waits that must be known. */
const WAIT = 0.25;
const LATE_MS = 30;
const ENOUGH_WAITS = 5;
/** A frame rate that is assumed until frames tell. */
const USUAL_MS = 1000 / 30;
/** A longer time between two frames is a pause, not a frame rate. */
const PAUSE_MS = 1_000;

/**
 * Decides by what a stream's picture is made, from what frames cost and how often they come. Pure: it is told what
 * happens and when, and keeps no clock.
 *
 * A lower level is taken at once where the level cannot keep the budget or the frame rate: the best one that should be
 * able to. One stalled frame is no reason: costs and intervals are medians. A higher one is taken where there is a quarter
 * more time than it needs, and has been tried beside the stream before ({@link Governor.rehearsed}).
 */
export class Governor {
  #level: Level = 'fast';
  #variant: Variant = 'own';
  #lookahead = 0;
  #reason = 'The network is starting.';
  #move: Move | undefined;
  #movedMs = Number.NEGATIVE_INFINITY;
  #arrivedMs: number | undefined;
  readonly #intervals = new Medians(9);
  /** Of frames since the network in use took over. */
  readonly #costs = new Medians(5);
  readonly #scaling = new ScalingCost();
  /** How long frames waited before anybody looked at them. */
  readonly #waits = new Medians(9);
  /** The last figure known of each network. */
  readonly #known: Record<Variant, number | undefined> = { own: undefined, small: undefined };
  readonly #barred = new Set<Variant>();
  /** Share of the engine that other streams leave for this one. */
  share = 1;
  /** What a frame should cost in the smaller network, of what it costs in the chosen one; `null`: there is none. */
  smaller: number | null = null;
  #triesMs = Number.NEGATIVE_INFINITY;
  #holdMs: number = HOLD_MS.first;
  #retryMs: number = RETRY_MS.first;
  /** What a frame took in the network that failed: one that has only just started again is slower than it will be. */
  #proven: { readonly variant: Variant; readonly ms: number } | undefined;
  /** Frames that the network has made since it failed. */
  #good = 0;
  #vainMs = Number.NEGATIVE_INFINITY;
  /** The chosen network does not fit and the smaller one should: it is made ready while things go on as they are. */
  #cramped = false;

  constructor(readonly settings: GovernorSettings) {}

  get level(): Level {
    return this.#level;
  }

  /** Why this level, for a person. */
  get reason(): string {
    return this.#reason;
  }

  /** Frames of lookahead that there is time for. */
  get lookahead(): number {
    return this.#lookahead;
  }

  /** The network in use, or `null`. */
  get variant(): Variant | null {
    return byNetwork(this.#level) ? this.#variant : null;
  }

  /** From one source frame to the next, in milliseconds: a median. */
  get intervalMs(): number {
    return this.#intervals.median ?? USUAL_MS;
  }

  /** What a frame takes in the network in use, in milliseconds: a median. */
  get costMs(): number {
    return this.#costs.median ?? this.#known[this.#variant] ?? 0;
  }

  /** Whether the next frame may wait in the engine while one is worked on, and still leave in time. */
  get ahead(): boolean {
    return 2 * this.costMs + this.#lookahead * this.intervalMs <= PLANNED * this.settings.budgetMs;
  }

  /** Share of the engine's time that this stream takes. */
  get load(): number {
    return byNetwork(this.#level) ? Math.min(1, this.costMs / this.intervalMs) : 0;
  }

  /** The move since the last call, if there was one. */
  takeMove(): Move | undefined {
    const move = this.#move;
    this.#move = undefined;
    return move;
  }

  /** A source frame came. */
  arrived(nowMs: number): void {
    const gap = nowMs - (this.#arrivedMs ?? Number.NEGATIVE_INFINITY);
    this.#arrivedMs = nowMs;
    if (gap < PAUSE_MS) this.#intervals.add(gap);
    if (byNetwork(this.#level) && nowMs - this.#vainMs > FORGET_MS) this.#holdMs = HOLD_MS.first;
    this.#decide(nowMs);
  }

  /** The network in use took this long for a frame, tiles that were left out for want of time included. */
  worked(ms: number, nowMs: number): void {
    if (!byNetwork(this.#level)) return;
    this.#costs.add(ms);
    if (this.#costs.count >= ENOUGH) this.#known[this.#variant] = this.costMs;
    if (++this.#good >= WELL_AGAIN) this.#retryMs = RETRY_MS.first;
    this.#decide(nowMs);
  }

  /** The platform's resampling took this long for a frame. */
  scaled(ms: number): void {
    this.#scaling.add(ms);
  }

  /** To get rid of an output frame took this long: an encoder's time. */
  spent(ms: number): void {
    this.#scaling.spent(ms);
  }

  /** A frame waited this long before anybody looked at it: the thread that does all but the network is behind. */
  waited(ms: number, nowMs: number): void {
    this.#waits.add(ms);
    const wait = this.#waits.count < ENOUGH_WAITS ? 0 : (this.#waits.median ?? 0);
    if (this.#level === 'pass-through' || wait < Math.max(LATE_MS, WAIT * this.settings.budgetMs)) return;
    this.#waits.clear();
    this.#triesMs = nowMs + this.#scaling.putOff() + REST_MS;
    this.#setback(nowMs);
    this.#set('pass-through', 0, `Frames wait ${short(wait)} ms before there is time for them.`, wait, nowMs);
  }

  /** The network that should be made ready now, beside the stream, or `null`. */
  wanted(nowMs: number): Variant | null {
    if (nowMs < this.#triesMs) return null;
    if (this.#cramped) return 'small';
    if (byNetwork(this.#level)) {
      const up = this.#variant === 'small' && !this.#barred.has('own') && nowMs - this.#movedMs >= this.#holdMs;
      return up && this.#fits(this.#expected('own'), MARGIN) >= 0 ? 'own' : null;
    }
    if (this.#barred.has('own')) return this.#hasSmall ? 'small' : null;
    // What was far too slow is not what is tried first.
    const own = this.#known.own;
    return own !== undefined && this.#hasSmall && this.#fits(own / 2) < 0 ? 'small' : 'own';
  }

  /** A network is being made ready: no other try until it is, or has failed. */
  preparing(): void {
    this.#triesMs = Number.POSITIVE_INFINITY;
  }

  /**
   * A network is ready, and took this long for a frame that nobody saw.
   * @returns whether it is used from now on
   */
  rehearsed(variant: Variant, measuredMs: number, nowMs: number): boolean {
    const { own } = this.#known;
    // Beside a network that runs it had to wait for its turns.
    const beside = variant === 'small' && byNetwork(this.#level) && own !== undefined;
    const proven = this.#proven?.variant === variant ? this.#proven.ms : measuredMs;
    this.#proven = undefined;
    const ms = Math.min(proven, beside ? Math.min(measuredMs, own * (this.smaller ?? 1)) : measuredMs);
    this.#known[variant] = ms;
    this.#triesMs = nowMs;
    if (variant === 'small' && this.#variant === 'own' && byNetwork(this.#level) && !this.#cramped) return false;
    const up = variant === 'own';
    const lookahead = this.#fits(ms, up && this.#vainMs > Number.NEGATIVE_INFINITY ? MARGIN : 1);
    this.#cramped = false;
    if (lookahead < 0) {
      const smaller = variant === 'own' && this.#hasSmall && this.#fits(this.#expected('small')) >= 0;
      this.#vain(nowMs);
      if (smaller && !byNetwork(this.#level)) {
        this.#cramped = true;
        this.#triesMs = nowMs;
      }
      if (!byNetwork(this.#level)) this.#reason = whyNot(ms, this.#conditions);
      return false;
    }
    this.#variant = variant;
    this.#costs.clear();
    const slow = this.#known.own !== undefined && variant === 'small';
    const why = slow ? `The smaller network takes ${short(ms)} ms for a frame, ` : `A frame takes ${short(ms)} ms, `;
    this.#go(variant, lookahead, `${why}and one comes every ${short(this.intervalMs)} ms.`, ms, nowMs);
    return true;
  }

  /** A network cannot be had, for good or for now. Asked for beside one that runs, that one goes on. */
  unavailable(variant: Variant, reason: string, recoverable: boolean, nowMs: number): void {
    this.#cramped = false;
    if (!recoverable) this.#barred.add(variant);
    this.#known[variant] = Number.POSITIVE_INFINITY;
    this.#wait(nowMs);
    if (!byNetwork(this.#level)) this.#reason = reason;
  }

  /** The network in use failed, or the source's form made it useless. It is tried again later. */
  lost(reason: string, nowMs: number): void {
    this.#cramped = false;
    this.#good = 0;
    if (byNetwork(this.#level) && this.#costs.count >= ENOUGH) {
      this.#proven = { variant: this.#variant, ms: this.costMs };
    }
    this.#wait(nowMs);
    this.#costs.clear();
    if (byNetwork(this.#level)) this.#set('fast', 0, reason, null, nowMs);
    else this.#reason = reason;
  }

  /** Pictures of another size: what was known of costs does not hold, and the network is asked for at once. */
  resized(nowMs: number): void {
    this.#known.own = undefined;
    this.#known.small = undefined;
    this.#proven = undefined;
    this.#costs.clear();
    this.#scaling.clear();
    this.#cramped = false;
    this.#triesMs = nowMs;
    this.#vainMs = Number.NEGATIVE_INFINITY;
    this.#holdMs = HOLD_MS.first;
    this.#variant = 'own';
    if (byNetwork(this.#level)) this.#set('fast', 0, 'The source has another size.', null, nowMs);
  }

  get #hasSmall(): boolean {
    return this.smaller !== null && !this.#barred.has('small');
  }

  /** Waits longer each time. */
  #wait(nowMs: number): void {
    this.#triesMs = nowMs + this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.most);
  }

  /** No other network is tried for a while, longer each time. */
  #vain(nowMs: number): void {
    this.#triesMs = nowMs + this.#holdMs;
    this.#setback(nowMs);
  }

  /** The next way up is waited for twice as long. */
  #setback(nowMs: number): void {
    this.#vainMs = nowMs;
    this.#holdMs = Math.min(this.#holdMs * 2, HOLD_MS.most);
  }

  /** What a network should take, from what is known of it or of the other one. */
  #expected(variant: Variant): number {
    const ratio = this.smaller ?? 1;
    if (variant === 'small') return this.#known.small ?? (this.#known.own ?? 0) * ratio;
    // The one in use tells how fast the machine is today.
    const { small, own } = this.#known;
    if (small === undefined) return own ?? 0;
    return this.#variant === 'small' && byNetwork(this.#level) ? this.costMs / ratio : (own ?? small / ratio);
  }

  get #conditions(): Conditions {
    const { budgetMs, minFrameRate, lookahead } = this.settings;
    return { budgetMs, minFrameRate, lookahead, intervalMs: this.intervalMs, share: this.share };
  }

  #fits(costMs: number, margin = 1): number {
    return longestLookahead(costMs, this.#conditions, margin);
  }

  #decide(nowMs: number): void {
    if (nowMs - this.#movedMs < REST_MS) return;
    if (!byNetwork(this.#level)) {
      this.#decideScaling(nowMs);
      return;
    }
    if (this.#costs.count < ENOUGH) return;
    const cost = this.costMs;
    const most = this.#fits(cost);
    if (most >= this.#lookahead) {
      this.#cramped = false;
      const more = this.#fits(cost, MARGIN);
      if (more > this.#lookahead && nowMs - this.#movedMs >= this.#holdMs) {
        this.#go(this.#variant, more, `There is time to wait for ${frames(more)} again.`, cost, nowMs);
      }
      return;
    }
    const delay = delayOf(cost, this.#lookahead, this.#conditions);
    if (most >= 0) {
      const why = `Waiting for ${frames(this.#lookahead)} would add ${short(delay)} ms`;
      this.#setback(nowMs);
      this.#go(this.#variant, most, `${why}; the budget is ${this.settings.budgetMs} ms.`, cost, nowMs);
      return;
    }
    this.#known[this.#variant] = cost;
    // While the smaller network is made ready this one goes on as well as it can.
    const small = this.#variant === 'own' && this.#hasSmall && this.#fits(this.#expected('small')) >= 0;
    if (small) {
      if (!this.#cramped && this.#triesMs !== Number.POSITIVE_INFINITY) this.#triesMs = nowMs;
      this.#cramped = true;
      return;
    }
    this.#vain(nowMs);
    this.#set('fast', 0, whyNot(cost, this.#conditions), cost, nowMs);
  }

  #decideScaling(nowMs: number): void {
    if (this.#level === 'fast' && this.#scaling.tooSlow(this.intervalMs)) {
      const cost = this.#scaling.costMs;
      const why = `Enlarging a frame takes ${short(cost)} ms, and one comes every ${short(this.intervalMs)} ms.`;
      this.#set('pass-through', 0, why, cost, nowMs);
    } else if (this.#level === 'pass-through' && this.#scaling.mayTry(nowMs - this.#movedMs)) {
      this.#scaling.clear();
      this.#triesMs = Math.max(this.#triesMs, nowMs + REST_MS);
      this.#set('fast', 0, 'The enlarging of frames is tried again.', null, nowMs);
    }
  }

  #go(variant: Variant, lookahead: number, reason: string, costMs: number, nowMs: number): void {
    const full = lookahead >= this.settings.lookahead ? 'full' : 'short';
    this.#set(variant === 'small' ? 'small' : full, lookahead, reason, costMs, nowMs);
  }

  #set(level: Level, lookahead: number, reason: string, costMs: number | null, nowMs: number): void {
    const { budgetMs } = this.settings;
    const delayMs =
      byNetwork(this.#level) && costMs !== null ? delayOf(costMs, this.#lookahead, this.#conditions) : null;
    const numbers = { costMs, intervalMs: this.intervalMs, delayMs, budgetMs, lookahead };
    this.#move = { from: this.#move?.from ?? this.#level, to: level, reason, numbers };
    this.#level = level;
    this.#lookahead = lookahead;
    this.#reason = reason;
    this.#movedMs = nowMs;
  }
}

function frames(count: number): string {
  return count === 1 ? '1 frame' : `${count} frames`;
}
