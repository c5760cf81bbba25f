/** Far more than can be asked for again in time. */
const MAX_MISSING = 256;
/** A longer gap is an interruption: a keyframe mends it sooner. */
const MAX_GAP = 128;
/** Packets that come late by less than this are asked for in vain. */
const REORDER_MS = 10;
const MIN_RETRY_MS = 40;
const MAX_TRIES = 4;

interface Missing {
  readonly sinceMs: number;
  askedAtMs: number;
  tries: number;
}

/**
 * Which packets of one SSRC are missing and should be asked for again (RFC 4585, section 6.2.1). In place of werift's, which
 * takes the whole number range for lost at each wrap, and asks every 5 ms until something comes.
 */
export class Nacks {
  readonly #missing = new Map<number, Missing>();
  #highest: number | undefined;

  /** Packets that are missing and still asked for. */
  get missing(): number {
    return this.#missing.size;
  }

  /**
   * Takes note of a packet that has come.
   * @returns whether so many are missing before it that asking is in vain
   */
  received(sequenceNumber: number, nowMs: number): boolean {
    if (this.#highest === undefined) {
      this.#highest = sequenceNumber;
      return false;
    }
    const ahead = (sequenceNumber - this.#highest) & 0xffff;
    if (ahead === 0) return false;
    if (ahead >= 0x8000) {
      this.#missing.delete(sequenceNumber);
      return false;
    }
    const first = (this.#highest + 1) & 0xffff;
    this.#highest = sequenceNumber;
    if (ahead > MAX_GAP || this.#missing.size + ahead - 1 > MAX_MISSING) {
      this.#missing.clear();
      return true;
    }
    for (let i = 0; i < ahead - 1; i++) {
      this.#missing.set((first + i) & 0xffff, { sinceMs: nowMs, askedAtMs: Number.NEGATIVE_INFINITY, tries: 0 });
    }
    return false;
  }

  /** The packets to ask for now, in their order. */
  due(nowMs: number, roundTripMs: number): number[] {
    const due: number[] = [];
    for (const [sequenceNumber, missing] of this.#missing) {
      if (nowMs - missing.sinceMs < REORDER_MS) continue;
      if (nowMs - missing.askedAtMs < Math.max(MIN_RETRY_MS, roundTripMs)) continue;
      if (missing.tries === MAX_TRIES) {
        this.#missing.delete(sequenceNumber);
        continue;
      }
      missing.tries++;
      missing.askedAtMs = nowMs;
      due.push(sequenceNumber);
    }
    return due;
  }
}
