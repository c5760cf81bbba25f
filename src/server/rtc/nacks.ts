/** Far more than can be asked for again in time. */
const MAX_MISSING = 256;
/** A longer gap is an interruption: a keyframe mends it sooner. */
const MAX_GAP = 128;
/** Packets that come late by less than this are asked for in vain. */
const REORDER_MS = 10;
const MIN_RETRY_MS = 40;
const MAX_TRIES = 4;
/** What has been missing for so long is shown no more. */
const MAX_AGE_MS = 2000;
/** Half of the sequence numbers lie behind a packet, half before it. */
const HALF = 0x8000;

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
    this.#missing.delete(sequenceNumber);
    if (ahead >= HALF) return false;
    const first = (this.#highest + 1) & 0xffff;
    this.#highest = sequenceNumber;
    if (ahead > MAX_GAP || this.#missing.size + ahead - 1 > MAX_MISSING) {
      this.#missing.clear();
      return true;
    }
    for (let i = 0; i < ahead - 1; i++) {
      const missing = (first + i) & 0xffff;
      // One with this number that was missing before the wrap is not this one.
      this.#missing.delete(missing);
      this.#missing.set(missing, { sinceMs: nowMs, askedAtMs: Number.NEGATIVE_INFINITY, tries: 0 });
    }
    return false;
  }

  /** The packets to ask for now, in their order. */
  due(nowMs: number, roundTripMs: number): number[] {
    const due: number[] = [];
    for (const [sequenceNumber, missing] of this.#missing) {
      // Of a layer that nobody used until now; and what would be asked for would be a packet that is still to come.
      const behind = ((this.#highest ?? 0) - sequenceNumber) & 0xffff;
      if (nowMs - missing.sinceMs > MAX_AGE_MS || behind >= HALF) {
        this.#missing.delete(sequenceNumber);
        continue;
      }
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
