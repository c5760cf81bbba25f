/** The numbers of a packet. */
export interface PacketNumbers {
  readonly sequenceNumber: number;
  readonly timestamp: number;
}

/** Half of the sequence numbers lie behind a packet, half before it. */
const HALF = 0x8000;
/** How far the beginning of a source is left behind before it moves along. */
const FAR = 0x4000;

/**
 * Renumbers packets of sources that follow one another, so that a receiver sees one without gaps. Losses and late packets
 * within a source stay as they are.
 */
export class Continuity {
  readonly #clockRate: number;
  #source: unknown;
  #sourceBegan = 0;
  #offset: PacketNumbers = { sequenceNumber: 0, timestamp: 0 };
  #highest: PacketNumbers;
  #highestAtMs: number | undefined;

  /**
   * @param clockRate of the timestamps, in Hz
   * @param first the numbers after which to begin, which should not be guessable (RFC 3550)
   */
  constructor(clockRate: number, first: PacketNumbers) {
    this.#clockRate = clockRate;
    this.#highest = first;
  }

  /**
   * The numbers under which to send a packet.
   * @param source what it comes from; another one begins where this one has got to
   * @param atMs when it is sent: across sources timestamps go on by that
   * @returns `undefined` for a packet from before its source began
   */
  next(source: unknown, packet: PacketNumbers, atMs: number): PacketNumbers | undefined {
    if (source !== this.#source) {
      const elapsedMs = this.#highestAtMs === undefined ? 0 : Math.max(1, atMs - this.#highestAtMs);
      const { sequenceNumber, timestamp } = this.#highest;
      this.#offset = {
        sequenceNumber: sequenceNumber + 1 - packet.sequenceNumber,
        timestamp: timestamp + Math.round((elapsedMs * this.#clockRate) / 1000) - packet.timestamp,
      };
      this.#source = source;
      this.#sourceBegan = packet.sequenceNumber;
    }
    const since = (packet.sequenceNumber - this.#sourceBegan) & 0xffff;
    if (since >= HALF) return undefined;
    if (since > FAR) this.#sourceBegan = (packet.sequenceNumber - FAR / 2) & 0xffff;
    const numbers = {
      sequenceNumber: (packet.sequenceNumber + this.#offset.sequenceNumber) & 0xffff,
      timestamp: (packet.timestamp + this.#offset.timestamp) >>> 0,
    };
    const ahead = (numbers.sequenceNumber - this.#highest.sequenceNumber) & 0xffff;
    if (ahead > 0 && ahead < HALF) {
      this.#highest = numbers;
      this.#highestAtMs = atMs;
    }
    return numbers;
  }
}
