/** Choices for an {@link AudioDelay}. */
export interface AudioDelayOptions {
  /** Longest delay, in milliseconds. 2,000 when left out. */
  readonly maxDelayMs?: number;
  /** Packets that are held at most: further ones are refused. 1,024 when left out. */
  readonly maxPackets?: number;
  /** Change of the delay in real time: 0.1 stretches or squeezes the distance of packets by a tenth. 0.1 when left out. */
  readonly maxSlope?: number;
}

/** After so long without packets nobody hears the delay jump. */
const SILENCE_MS = 1000;

/**
 * Holds audio packets for as long as the video takes longer. The delay follows its target at a limited pace, so that packets
 * leave only a little farther apart or nearer together than they came: a receiver's jitter buffer stretches that without
 * loss, where a jump would sound like a gap or like late packets. Packets leave in the order they came.
 *
 * No clock inside: call {@link due} at {@link nextDueMs}.
 */
export class AudioDelay<Packet> {
  readonly #maxDelayMs: number;
  readonly #maxPackets: number;
  readonly #maxSlope: number;
  readonly #held: { readonly packet: Packet; readonly dueMs: number }[] = [];
  #first = 0;
  #targetMs = 0;
  #delayMs = 0;
  #movedMs: number | undefined;
  #dueMs = Number.NEGATIVE_INFINITY;
  /** Packets that found no room. */
  refused = 0;

  constructor(options: AudioDelayOptions = {}) {
    this.#maxDelayMs = options.maxDelayMs ?? 2000;
    this.#maxPackets = options.maxPackets ?? 1024;
    this.#maxSlope = options.maxSlope ?? 0.1;
    if (!(this.#maxSlope > 0 && this.#maxSlope < 1)) {
      throw new TypeError('options.maxSlope must be a number between 0 and 1.');
    }
  }

  /** Packets that are held. */
  get count(): number {
    return this.#held.length - this.#first;
  }

  /** The delay that the last packet got, in milliseconds. */
  get delayMs(): number {
    return this.#delayMs;
  }

  /** When {@link due} has something to give. `undefined` when nothing is held. */
  get nextDueMs(): number | undefined {
    return this.#held[this.#first]?.dueMs;
  }

  /** Where the delay goes, in milliseconds: what the video's processing adds. */
  aim(delayMs: number): void {
    if (Number.isFinite(delayMs)) this.#targetMs = Math.max(0, Math.min(this.#maxDelayMs, delayMs));
  }

  /** Takes a packet. @returns false when there was no room for it */
  push(packet: Packet, nowMs: number): boolean {
    this.#move(nowMs);
    if (this.count >= this.#maxPackets) {
      this.refused++;
      return false;
    }
    this.#dueMs = Math.max(this.#dueMs, nowMs + this.#delayMs);
    this.#held.push({ packet, dueMs: this.#dueMs });
    return true;
  }

  /** The packets that are due, in the order they came. */
  due(nowMs: number): Packet[] {
    const packets: Packet[] = [];
    for (;;) {
      const next = this.#held[this.#first];
      if (!next || next.dueMs > nowMs) break;
      packets.push(next.packet);
      this.#first++;
    }
    if (this.#first * 2 >= this.#held.length) {
      this.#held.splice(0, this.#first);
      this.#first = 0;
    }
    return packets;
  }

  /** Drops all that is held. */
  clear(): void {
    this.#held.length = 0;
    this.#first = 0;
  }

  #move(nowMs: number): void {
    const passedMs = this.#movedMs === undefined ? Number.POSITIVE_INFINITY : Math.max(0, nowMs - this.#movedMs);
    this.#movedMs = nowMs;
    const most = passedMs > SILENCE_MS && this.count === 0 ? this.#maxDelayMs : passedMs * this.#maxSlope;
    const step = this.#targetMs - this.#delayMs;
    this.#delayMs += Math.max(-most, Math.min(most, step));
  }
}
