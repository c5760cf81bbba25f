import type { RtpPacketLike } from './packet.js';

/** Sequence numbers from the next one on that have a place: some seconds of video. A power of two. */
export const SPAN = 2048;

/** Packets that came before one that lacks, by their unwrapped sequence numbers. */
export class ReorderBuffer {
  readonly #packets: (RtpPacketLike | undefined)[] = new Array<RtpPacketLike | undefined>(SPAN).fill(undefined);
  readonly #arrivedMs = new Float64Array(SPAN);
  /** The sequence number that last came for each place, for telling duplicates from late packets. */
  readonly #came = new Float64Array(SPAN).fill(Number.NaN);
  #highest = Number.NEGATIVE_INFINITY;
  #count = 0;
  #bytes = 0;

  /** Packets that are held. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of their payloads. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a packet of this number, at most {@link SPAN} ago, has come. */
  came(sequence: number): boolean {
    return this.#came[sequence & (SPAN - 1)] === sequence;
  }

  /** Notes that a packet came that need not be held. */
  note(sequence: number): void {
    this.#came[sequence & (SPAN - 1)] = sequence;
  }

  put(sequence: number, packet: RtpPacketLike, nowMs: number): void {
    const slot = sequence & (SPAN - 1);
    this.#came[slot] = sequence;
    this.#packets[slot] = packet;
    this.#arrivedMs[slot] = nowMs;
    this.#highest = Math.max(this.#highest, sequence);
    this.#count++;
    this.#bytes += packet.payload.length;
  }

  /** Takes out the packet of this number, if it is held. */
  take(sequence: number): RtpPacketLike | undefined {
    const slot = sequence & (SPAN - 1);
    const packet = this.#packets[slot];
    if (!packet || this.#came[slot] !== sequence) return undefined;
    this.#packets[slot] = undefined;
    this.#count--;
    this.#bytes -= packet.payload.length;
    return packet;
  }

  /** The lowest number that is held, from `from` on; `undefined` when there is none. */
  lowest(from: number): number | undefined {
    if (this.#count === 0) return undefined;
    for (let sequence = from; sequence <= this.#highest; sequence++) {
      const slot = sequence & (SPAN - 1);
      if (this.#packets[slot] && this.#came[slot] === sequence) return sequence;
    }
    return undefined;
  }

  /** When a packet that is held came. */
  arrivedMs(sequence: number): number {
    return this.#arrivedMs[sequence & (SPAN - 1)] ?? 0;
  }

  /** Forgets all packets. */
  clear(): void {
    if (this.#count > 0) this.#packets.fill(undefined);
    this.#came.fill(Number.NaN);
    this.#highest = Number.NEGATIVE_INFINITY;
    this.#count = 0;
    this.#bytes = 0;
  }
}
