import { VIDEO_CLOCK_HZ } from './packet.js';
import { modulo, unwrapNear } from './unwrap.js';

const CYCLE = 2 ** 32;
/** A source's clock that is farther from where it should be than this is not believed. */
const FARTHEST_TICKS = 2 * VIDEO_CLOCK_HZ;
/** Time bases that are remembered: layers of a simulcast, and those from before a publisher came back. */
const MOST_BASES = 8;

/** Names what counts time in one way: the packets of one SSRC and the pictures made of them. */
export type TimeBase = string | number;

/**
 * Timestamps of one outgoing stream from sources with clocks of their own. Within a time base one offset is added. A base that
 * is new goes on where real time says that it should, and a known one comes back with the offset it had.
 */
export class Timeline {
  readonly #offsets = new Map<TimeBase, number>();
  #base: TimeBase | undefined;
  #offset = 0;
  /** Latest timestamp that was given, unwrapped, and when. */
  #latest: number | undefined;
  #latestMs = 0;

  /** @param first the first timestamp, 32 bits */
  constructor(readonly first: number) {}

  /**
   * The timestamp for a picture after a switch, later than all before. A picture that is a little too early (it was made of
   * a frame that has been shown already) gets the next tick.
   * @param keep whether the offset stays nevertheless, as it can where each picture's timestamp is asked for
   */
  place(base: TimeBase, ticks: number, nowMs: number, keep: boolean): number {
    const latest = this.#latest;
    const known = this.#offsets.get(base);
    const due = latest === undefined ? this.first : latest + Math.max(1, Math.round((nowMs - this.#latestMs) * 90));
    let placed = latest === undefined || known === undefined ? due : unwrapNear(modulo(ticks + known, CYCLE), due, 32);
    let offset = known;
    if (offset === undefined || Math.abs(placed - due) > FARTHEST_TICKS) {
      placed = due;
      offset = modulo(placed - ticks, CYCLE);
    }
    if (latest !== undefined && placed <= latest) {
      placed = latest + 1;
      if (!keep) offset = modulo(placed - ticks, CYCLE);
    }
    this.#remember(base, offset);
    this.#latest = placed;
    this.#latestMs = nowMs;
    return modulo(placed, CYCLE);
  }

  /** The timestamp for a packet of the base that was placed last. */
  map(ticks: number, nowMs: number): number {
    const mapped = modulo(ticks + this.#offset, CYCLE);
    const unwrapped = unwrapNear(mapped, this.#latest ?? mapped, 32);
    if (this.#latest === undefined || unwrapped > this.#latest) {
      this.#latest = unwrapped;
      this.#latestMs = nowMs;
    }
    return mapped;
  }

  #remember(base: TimeBase, offset: number): void {
    if (base === this.#base && offset === this.#offset) return;
    this.#base = base;
    this.#offset = offset;
    this.#offsets.delete(base);
    const oldest = this.#offsets.keys().next();
    if (this.#offsets.size >= MOST_BASES && !oldest.done) this.#offsets.delete(oldest.value);
    this.#offsets.set(base, offset);
  }
}
