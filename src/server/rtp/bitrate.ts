import { RembReader } from './remb.js';

/** Choices for an {@link EncoderBitrate}, in bits a second. */
export interface EncoderBitrateOptions {
  /** The encoder is never told less. */
  readonly min: number;
  /** Nor more. */
  readonly max: number;
  /** Where it begins. `max` when left out. */
  readonly start?: number;
}

/** What a viewer's receiver tells in RTCP. */
export interface ViewerFeedback {
  /** REMB (draft-alvestrand-rmcat-remb), bits a second. */
  readonly remb?: number;
  /** Bits a second that were sent to it in the last second or so. */
  readonly sent?: number;
  /** Of receiver reports (RFC 3550, section 6.4.1), 0 to 1. */
  readonly fractionLost?: number;
  /** Round trip, in milliseconds. */
  readonly rttMs?: number;
}

interface Viewer {
  readonly reader: RembReader;
  remb: number | undefined;
  full: boolean;
  rembMs: number;
  /** What its losses allow. */
  lossBound: number;
  lossMs: number | undefined;
  heardMs: number;
}

/** A viewer that has said nothing for so long has gone. */
const FORGET_MS = 15_000;
/** A REMB older than this says nothing: receivers send it about every second. */
const REMB_AGE_MS = 6_000;
/** Loss-based control as in draft-ietf-rmcat-gcc-02, section 6: above the first it goes down, below the second it goes up. */
const LOSS = { heavy: 0.1, light: 0.02 } as const;
/** Growth of a bound in a second without losses. */
const GROWTH = 1.08;
/** A longer round trip than this is a queue that fills: the bound does not grow. */
const MOST_RTT_MS = 500;
/** Kept free for audio, headers and packets sent again. */
const SHARE = 0.9;
/** The rate goes down only by more than this, and not sooner after the last change. */
const DOWN = { ratio: 0.9, pauseMs: 1_000 } as const;
/** The rate goes up only where so much more is there, all the time for so long, and never by more than `most` at once. */
const UP = { ratio: 1.2, steadyMs: 5_000, most: 1.5 } as const;

/**
 * The bitrate of an encoder whose pictures several viewers watch.
 *
 * Each viewer has an estimate, the lesser of what its REMBs say and what its losses allow. A REMB is a bound where the path is
 * full ({@link RembReader}); else it is what the rate may grow to beyond its beginning. The target is the smallest estimate,
 * within bounds. **A viewer whose estimate is below `min` has no say while others have more**: the encoder cannot
 * go low enough for it, so the others would lose quality and it would gain nothing. Where no viewer reaches `min`, the target
 * is `min`. It goes down at once and up slowly, in few steps: with VP8 each change costs a keyframe.
 */
export class EncoderBitrate {
  readonly #options: EncoderBitrateOptions;
  readonly #viewers = new Map<string | number, Viewer>();
  #target: number;
  #changedMs = Number.NEGATIVE_INFINITY;
  /** Since when more than now has been possible. */
  #moreSinceMs: number | undefined;

  constructor(options: EncoderBitrateOptions) {
    if (!(options.min > 0 && options.min <= options.max)) {
      throw new TypeError('options.min must be positive and no larger than options.max, in bits a second.');
    }
    this.#options = options;
    this.#target = Math.max(options.min, Math.min(options.max, options.start ?? options.max));
  }

  /** Takes what a viewer's receiver says. Numbers that make no sense are passed over. */
  feedback(viewer: string | number, feedback: ViewerFeedback, nowMs: number): void {
    let known = this.#viewers.get(viewer);
    if (!known) {
      known = {
        reader: new RembReader(),
        remb: undefined,
        full: false,
        rembMs: nowMs,
        lossBound: this.#options.max,
        lossMs: undefined,
        heardMs: nowMs,
      };
      this.#viewers.set(viewer, known);
    }
    known.heardMs = nowMs;
    const { remb, sent = 0, fractionLost, rttMs } = feedback;
    if (remb !== undefined && Number.isFinite(remb) && remb >= 0) {
      known.remb = remb;
      known.full = known.reader.isFull(remb, sent, nowMs);
      known.rembMs = nowMs;
    }
    if (fractionLost !== undefined && fractionLost >= 0 && fractionLost <= 1) {
      this.#takeLoss(known, fractionLost, rttMs ?? 0, nowMs);
    }
  }

  /** The viewer has left. */
  forget(viewer: string | number): void {
    this.#viewers.delete(viewer);
  }

  /** The rate that the viewer's path is thought to carry, in bits a second. `undefined` before it has said anything. */
  estimate(viewer: string | number, nowMs: number): number | undefined {
    const known = this.#viewers.get(viewer);
    return known && this.#estimateOf(known, nowMs);
  }

  /** The rate the encoder should have now. Ask about once a second. */
  target(nowMs: number): number {
    const wanted = this.#wanted(nowMs);
    const sinceMs = nowMs - this.#changedMs;
    const { min, max } = this.#options;
    const more = wanted >= this.#target * UP.ratio || (wanted === max && this.#target < max);
    if (!more) this.#moreSinceMs = undefined;
    else this.#moreSinceMs ??= nowMs;
    if ((wanted <= this.#target * DOWN.ratio || (wanted === min && this.#target > min)) && sinceMs >= DOWN.pauseMs) {
      this.#change(wanted, nowMs);
    } else if (this.#moreSinceMs !== undefined && nowMs - this.#moreSinceMs >= UP.steadyMs) {
      this.#change(Math.min(wanted, this.#target * UP.most), nowMs);
    }
    return this.#target;
  }

  #change(target: number, nowMs: number): void {
    this.#target = Math.round(target);
    this.#changedMs = nowMs;
    this.#moreSinceMs = undefined;
  }

  #wanted(nowMs: number): number {
    const { min, max } = this.#options;
    let least = Number.POSITIVE_INFINITY;
    let hopeless = false;
    for (const [id, viewer] of this.#viewers) {
      if (nowMs - viewer.heardMs > FORGET_MS) {
        this.#viewers.delete(id);
        continue;
      }
      const estimate = this.#estimateOf(viewer, nowMs);
      if (estimate < min) hopeless = true;
      else least = Math.min(least, estimate);
    }
    if (least === Number.POSITIVE_INFINITY) return hopeless ? min : this.#target;
    return Math.max(min, Math.min(max, least));
  }

  #estimateOf({ lossBound, remb, rembMs, full }: Viewer, nowMs: number): number {
    const { max, start = max } = this.#options;
    const loss = lossBound >= max ? max : lossBound * SHARE;
    if (remb === undefined || nowMs - rembMs > REMB_AGE_MS) return loss;
    return Math.min(loss, full ? remb * SHARE : Math.max(start, remb * SHARE));
  }

  #takeLoss(viewer: Viewer, fractionLost: number, rttMs: number, nowMs: number): void {
    const seconds = viewer.lossMs === undefined ? 0 : Math.min(5, (nowMs - viewer.lossMs) / 1000);
    viewer.lossMs = nowMs;
    if (fractionLost > LOSS.heavy) {
      // What was lost was lost at the rate that is sent, not at what would have been allowed.
      const base = Math.min(viewer.lossBound, this.#target);
      viewer.lossBound = Math.max(this.#options.min * 0.5, base * (1 - 0.5 * fractionLost));
    } else if (fractionLost < LOSS.light && rttMs < MOST_RTT_MS) {
      viewer.lossBound = Math.min(this.#options.max, viewer.lossBound * GROWTH ** seconds);
    }
  }
}
