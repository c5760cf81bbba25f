import { RetransmissionLimit } from '../rtp/retransmission.js';
import type { SentTrack } from './plan.js';
import { senderReport, sourceDescription } from './rtcp.js';
import { RtpHeaderWriter } from './rtp-packet.js';
import { compactNtp, msToNtp } from './sender-clock.js';
import type { Transport } from './transport.js';

/** Packets that can be sent once more: half a second of 4 Mbit/s. */
const HISTORY = 256;
const REPORT_MS = 1000;
/** Reports that may be answered. */
const MAX_REPORTS = 8;

interface Sent {
  sequenceNumber: number;
  timestamp: number;
  marker: boolean;
  payload: Uint8Array;
}

/** Where a track's timestamps lie on the wall clock. */
interface Anchor {
  readonly timestamp: number;
  readonly captureMs: number;
}

/** One SSRC that is sent to a viewer: headers, retransmissions and sender reports. */
export class OutgoingTrack {
  readonly #transport: Transport;
  readonly #track: SentTrack;
  readonly #clockRate: number;
  readonly #cname: string;
  readonly #header: RtpHeaderWriter;
  readonly #history: Sent[] = [];
  readonly #reports: { compactNtp: number; atMs: number }[] = [];
  #anchor: Anchor | undefined;
  #packetCount = 0;
  #octetCount = 0;
  readonly #resends = new RetransmissionLimit();
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  /** Milliseconds there and back; `undefined` before the first report. */
  roundTripMs: number | undefined;

  constructor(transport: Transport, track: SentTrack, clockRate: number, cname: string) {
    this.#transport = transport;
    this.#track = track;
    this.#clockRate = clockRate;
    this.#cname = cname;
    this.#header = new RtpHeaderWriter(track.ssrc, track.absSendTimeId);
  }

  get ssrc(): number {
    return this.#track.ssrc;
  }

  /**
   * Sends a packet.
   * @param captureMs when what it shows was captured, in milliseconds since 1970
   */
  send(
    packet: { sequenceNumber: number; timestamp: number; marker: boolean; payload: Uint8Array },
    captureMs: number | undefined,
    nowMs: number,
  ): void {
    const { sequenceNumber, timestamp, marker, payload } = packet;
    this.#history[sequenceNumber % HISTORY] = {
      sequenceNumber,
      timestamp,
      marker,
      payload,
    };
    this.#packetCount++;
    this.#octetCount += payload.length;
    if (captureMs !== undefined) this.#anchor = { timestamp, captureMs };
    this.#transport.sendRtp(
      this.#header.write(this.#track.payloadType, marker, sequenceNumber, timestamp, nowMs),
      payload,
    );
    if (nowMs - this.#reportedAtMs >= REPORT_MS) this.#report(nowMs);
  }

  /**
   * Sends packets once more, as far as that is reasonable.
   * @returns how many were sent
   */
  resend(sequenceNumbers: readonly number[], nowMs: number): number {
    let resent = 0;
    const kept = sequenceNumbers.filter((number) => this.#history[number % HISTORY]?.sequenceNumber === number);
    for (const sequenceNumber of this.#resends.allow(kept, nowMs, this.roundTripMs)) {
      const sent = this.#history[sequenceNumber % HISTORY];
      if (!sent) continue;
      resent++;
      this.#transport.sendRtp(
        this.#header.write(this.#track.payloadType, sent.marker, sequenceNumber, sent.timestamp, nowMs),
        sent.payload,
      );
    }
    return resent;
  }

  /** Takes the answer to a sender report. */
  reported(lsr: number, dlsr: number, nowMs: number): void {
    const report = this.#reports.find((sent) => sent.compactNtp === lsr);
    if (!report || lsr === 0) return;
    const roundTripMs = nowMs - report.atMs - (dlsr * 1000) / 65536;
    if (roundTripMs >= 0 && roundTripMs < 60_000) this.roundTripMs = roundTripMs;
  }

  #report(nowMs: number): void {
    if (!this.#anchor) return;
    this.#reportedAtMs = nowMs;
    const wallMs = Date.now();
    const elapsed = Math.round(((wallMs - this.#anchor.captureMs) * this.#clockRate) / 1000);
    const ntpTimestamp = msToNtp(wallMs);
    this.#reports.push({ compactNtp: compactNtp(ntpTimestamp), atMs: nowMs });
    if (this.#reports.length > MAX_REPORTS) this.#reports.shift();
    this.#transport.sendRtcp([
      senderReport(this.ssrc, {
        ntpTimestamp,
        rtpTimestamp: (this.#anchor.timestamp + elapsed) >>> 0,
        packetCount: this.#packetCount,
        octetCount: this.#octetCount,
      }),
      sourceDescription(this.ssrc, this.#cname),
    ]);
  }
}
