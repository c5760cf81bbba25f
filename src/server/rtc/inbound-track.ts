import { Nacks } from './nacks.js';
import { Reception, type ReceptionReport } from './reception.js';
import type { RtpPacket } from './rtp-packet.js';

/** A layer that has sent nothing for so long is switched off. */
const ACTIVE_MS = 1000;

/** One SSRC of a publisher: what is reported about it and asked for again. */
export class InboundTrack {
  readonly #clockRate: number;
  #reception: Reception;
  #nacks = new Nacks();
  #ssrc: number | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #bytes = 0;

  /** @param clockRate of the RTP timestamps, in Hz */
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
    this.#reception = new Reception(clockRate);
  }

  get ssrc(): number | undefined {
    return this.#ssrc;
  }

  /** When the last packet came. */
  get lastMs(): number {
    return this.#lastMs;
  }

  isActive(nowMs: number): boolean {
    return nowMs - this.#lastMs < ACTIVE_MS;
  }

  /** Whether packets of this SSRC are this track's: the first one's, or another's after a pause. */
  accepts(ssrc: number, nowMs: number): boolean {
    if (this.#ssrc === ssrc) return true;
    if (this.#ssrc !== undefined && this.isActive(nowMs)) return false;
    this.#ssrc = ssrc;
    this.#reception = new Reception(this.#clockRate);
    this.#nacks = new Nacks();
    return true;
  }

  /**
   * Takes note of a packet.
   * @returns whether so much is missing before it that only a keyframe helps
   */
  received(packet: RtpPacket, nowMs: number): boolean {
    this.#lastMs = nowMs;
    this.#bytes += packet.payload.length;
    this.#reception.packet(packet.sequenceNumber, packet.timestamp, nowMs);
    return this.#nacks.received(packet.sequenceNumber, nowMs);
  }

  senderReport(compactNtp: number, nowMs: number): void {
    this.#reception.senderReport(compactNtp, nowMs);
  }

  report(nowMs: number): ReceptionReport {
    return this.#reception.report(nowMs);
  }

  nacksDue(nowMs: number, roundTripMs: number): number[] {
    return this.#nacks.due(nowMs, roundTripMs);
  }

  /** Bytes of payload since it was last asked. */
  takeBytes(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    return bytes;
  }
}
