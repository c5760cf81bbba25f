/** What a report block says (RFC 3550, section 6.4.1). */
export interface ReceptionReport {
  readonly fractionLost: number;
  readonly packetsLost: number;
  readonly highestSequence: number;
  readonly jitter: number;
  readonly lsr: number;
  readonly dlsr: number;
}

/** Statistics of one SSRC that is received, as RFC 3550, appendix A.1, A.3 and A.8, has them. */
export class Reception {
  readonly #clockRate: number;
  #first: number | undefined;
  #highest = 0;
  #cycles = 0;
  #received = 0;
  #expectedBefore = 0;
  #receivedBefore = 0;
  #jitter = 0;
  #transit: number | undefined;
  #lastReport: { compactNtp: number; atMs: number } | undefined;

  /** @param clockRate of the RTP timestamps, in Hz */
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  packet(sequenceNumber: number, timestamp: number, nowMs: number): void {
    if (this.#first === undefined) {
      this.#first = sequenceNumber;
      this.#highest = sequenceNumber;
    } else {
      const ahead = (sequenceNumber - this.#highest) & 0xffff;
      if (ahead < 0x8000) {
        if (sequenceNumber < this.#highest) this.#cycles++;
        this.#highest = sequenceNumber;
      }
    }
    this.#received++;
    const transit = Math.round((nowMs * this.#clockRate) / 1000) - timestamp;
    if (this.#transit !== undefined) {
      const change = Math.abs((transit - this.#transit) | 0);
      this.#jitter += (change - this.#jitter) / 16;
    }
    this.#transit = transit;
  }

  /** Takes note of a sender report: the middle 32 bits of its NTP time. */
  senderReport(compactNtp: number, nowMs: number): void {
    this.#lastReport = { compactNtp, atMs: nowMs };
  }

  /** What to report; begins a new interval. */
  report(nowMs: number): ReceptionReport {
    const highestSequence = (this.#cycles * 0x10000 + this.#highest) % 2 ** 32;
    const expected = this.#cycles * 0x10000 + this.#highest - (this.#first ?? 0) + 1;
    const lost = expected - this.#received;
    const expectedNow = expected - this.#expectedBefore;
    const lostNow = expectedNow - (this.#received - this.#receivedBefore);
    this.#expectedBefore = expected;
    this.#receivedBefore = this.#received;
    return {
      fractionLost: expectedNow > 0 && lostNow > 0 ? Math.min(255, Math.floor((lostNow * 256) / expectedNow)) : 0,
      packetsLost: Math.min(Math.max(lost, 0), 0x7fffff),
      highestSequence,
      jitter: Math.min(Math.floor(this.#jitter), 0xffffffff),
      lsr: this.#lastReport?.compactNtp ?? 0,
      dlsr: this.#lastReport ? Math.min(Math.floor(((nowMs - this.#lastReport.atMs) * 65536) / 1000), 0xffffffff) : 0,
    };
  }
}
