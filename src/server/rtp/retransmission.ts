/** Choices for a {@link RetransmissionLimit}. */
export interface RetransmissionOptions {
  /** Shortest time between two answers for one packet where no round trip is known, in milliseconds. 50 when left out. */
  readonly intervalMs?: number;
  /** Most packets answered in a second. 500 when left out. */
  readonly packetsPerSecond?: number;
  /** Answers for one packet. 5 when left out. */
  readonly mostAnswers?: number;
}

/** Packets whose answers are remembered: twice as many as the history they are sent from holds. A power of two. */
const REMEMBERED = 256;
/** After so long a number names another packet. */
const FORGET_MS = 5000;
/** The budget of this much time may be used at once: what a lost burst takes. */
const BURST_S = 0.25;

/**
 * Which packets asked for in a NACK (RFC 4585, section 6.2.1) are sent again. A receiver that asks too often, or for everything,
 * makes no more work than this allows: a single NACK could otherwise ask for thousands of packets. The history of what was
 * sent is the RTP stack's.
 */
export class RetransmissionLimit {
  readonly #intervalMs: number;
  readonly #rate: number;
  readonly #mostAnswers: number;
  readonly #numbers = new Int32Array(REMEMBERED).fill(-1);
  readonly #answeredMs = new Float64Array(REMEMBERED);
  readonly #answers = new Uint8Array(REMEMBERED);
  #budget: number;
  #budgetMs: number | undefined;
  /** Packets that were asked for and not sent again. */
  refused = 0;

  constructor(options: RetransmissionOptions = {}) {
    this.#intervalMs = options.intervalMs ?? 50;
    this.#rate = options.packetsPerSecond ?? 500;
    this.#mostAnswers = options.mostAnswers ?? 5;
    this.#budget = this.#rate * BURST_S;
  }

  /**
   * The packets to send again, in the order they are asked for.
   * @param lost sequence numbers, 16 bits
   * @param rttMs round trip to the receiver, when known: an answer is on its way for so long
   */
  allow(lost: readonly number[], nowMs: number, rttMs?: number): number[] {
    this.#refill(nowMs);
    const intervalMs = Math.max(this.#intervalMs / 5, Math.min(500, rttMs ?? this.#intervalMs));
    const allowed: number[] = [];
    for (const number of lost) {
      if (this.#budget < 1) break;
      if (!this.#answer(number & 0xffff, nowMs, intervalMs)) continue;
      this.#budget--;
      allowed.push(number);
    }
    this.refused += lost.length - allowed.length;
    return allowed;
  }

  #answer(number: number, nowMs: number, intervalMs: number): boolean {
    const slot = number % REMEMBERED;
    const sinceMs = nowMs - (this.#answeredMs[slot] ?? 0);
    if (this.#numbers[slot] !== number || sinceMs > FORGET_MS) {
      this.#numbers[slot] = number;
      this.#answers[slot] = 0;
    } else if (sinceMs < intervalMs) return false;
    const answers = this.#answers[slot] ?? 0;
    if (answers >= this.#mostAnswers) return false;
    this.#answers[slot] = answers + 1;
    this.#answeredMs[slot] = nowMs;
    return true;
  }

  #refill(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - (this.#budgetMs ?? nowMs));
    this.#budgetMs = nowMs;
    this.#budget = Math.min(this.#rate * BURST_S, this.#budget + (this.#rate * passedMs) / 1000);
  }
}
