import { unwrapNear } from './unwrap.js';

/** Packets this far behind the newest one are still let through. A power of two. */
const LATEST = 512;
/** A number this far from the newest one belongs to another counting. */
const FARTHEST = 2048;
/** Places where numbers were left out that are remembered. */
const MOST_BREAKS = 64;
/** A number this near behind a far one confirms it. */
const CONFIRMS = 16;
/** So many packets too old, and none else: the source counts anew, a little below. */
const MOST_STALE = 64;

/** What becomes of a packet: its outgoing number, or why there is none. */
export type Mapped =
  | { readonly kind: 'send'; readonly sequence: number; readonly newest: boolean }
  /** Too old, a duplicate, or left out. */
  | { readonly kind: 'drop' }
  /** The source counts anew: it must begin again at a keyframe. */
  | { readonly kind: 'restart' };

const DROP: Mapped = { kind: 'drop' };

/**
 * Outgoing sequence numbers for the packets of one source. What is lost on the way here stays a gap, so that receivers ask
 * for it; packets that are left out leave none. Numbers on both sides are unwrapped; those of the source come as 16 bits.
 */
export class SequenceMap {
  readonly #first: number;
  /** From these source numbers on, these offsets hold. Ascending. */
  readonly #breaks: { from: number; offset: number }[];
  readonly #seen = new Float64Array(LATEST).fill(Number.NaN);
  #highest: number;
  #stray: number | undefined;
  #stale = 0;

  /**
   * @param first the source's number that comes first
   * @param outgoing what it becomes
   */
  constructor(first: number, outgoing: number) {
    this.#first = first;
    this.#highest = first - 1;
    this.#breaks = [{ from: first, offset: outgoing - first }];
  }

  /**
   * The outgoing number for a packet.
   * @param leaveOut whether it should not be sent, as padding; it is sent all the same when its number is taken up already
   */
  map(sequenceNumber: number, leaveOut: boolean): Mapped {
    const sequence = unwrapNear(sequenceNumber, this.#highest, 16);
    const ahead = sequence - this.#highest;
    if (ahead > FARTHEST || ahead < -FARTHEST) return this.#far(sequence);
    this.#stray = undefined;
    const oldest = this.#breaks[0]?.from ?? this.#first;
    if (sequence < oldest || ahead <= -LATEST || this.#seen[sequence & (LATEST - 1)] === sequence) {
      return ++this.#stale < MOST_STALE ? DROP : { kind: 'restart' };
    }
    this.#stale = 0;
    this.#seen[sequence & (LATEST - 1)] = sequence;
    const newest = ahead > 0;
    if (newest) this.#highest = sequence;
    if (newest && leaveOut) {
      this.#leaveOut(sequence);
      return DROP;
    }
    return { kind: 'send', sequence: sequence + this.#offsetAt(sequence), newest };
  }

  /** Two far numbers that belong together are a new counting; one alone is dropped. */
  #far(sequence: number): Mapped {
    const stray = this.#stray;
    this.#stray = sequence;
    if (stray === undefined) return DROP;
    const step = sequence - stray;
    return step >= 1 && step <= CONFIRMS ? { kind: 'restart' } : DROP;
  }

  #leaveOut(sequence: number): void {
    const last = this.#breaks[this.#breaks.length - 1];
    if (!last) return;
    if (last.from === sequence && this.#breaks.length > 1) {
      last.from++;
      last.offset--;
      return;
    }
    this.#breaks.push({ from: sequence + 1, offset: last.offset - 1 });
    if (this.#breaks.length > MOST_BREAKS) this.#breaks.shift();
  }

  #offsetAt(sequence: number): number {
    for (let i = this.#breaks.length - 1; i > 0; i--) {
      const { from, offset } = this.#breaks[i] as { from: number; offset: number };
      if (sequence >= from) return offset;
    }
    return this.#breaks[0]?.offset ?? 0;
  }
}
