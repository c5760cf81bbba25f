import { randomInt } from 'node:crypto';
import type { WatchedVideo } from '../rooms.js';
import type { ViewerFeedback } from '../rtp/bitrate.js';
import { Continuity } from './continuity.js';
import type { FeedPacket } from './feed.js';
import { OutgoingTrack } from './outgoing-track.js';
import type { SentTrack, ViewerPlan } from './plan.js';
import type { RtcpMessage } from './rtcp.js';
import type { RtpPacket } from './rtp-packet.js';
import { noTransfer } from './transfer-counts.js';
import type { Transport } from './transport.js';

/** What a {@link Viewer} tells. */
export interface ViewerListener {
  /** Its picture is broken. */
  keyframeWanted(): void;
  /** What gets through. */
  feedback(feedback: ViewerFeedback, nowMs: number): void;
}

const VIDEO_CLOCK = 90_000;
const AUDIO_CLOCK = 48_000;
/** Keyframes that a viewer may ask for at once, and how often more: those of one disturb all. */
const KEYFRAME_BURST = 5;
const KEYFRAME_EVERY_MS = 2000;
/** What was sent is measured over this long. */
const SENT_MS = 1000;

/** The media of one viewer: its own numbers, nothing else differs from other viewers. Signalling and connecting are elsewhere. */
export class Viewer {
  readonly id: string;
  readonly watches: WatchedVideo;
  readonly video: OutgoingTrack | undefined;
  readonly audio: OutgoingTrack | undefined;
  /** Counted for the metrics. */
  readonly counts = noTransfer();
  readonly #listener: ViewerListener;
  readonly #audioNumbers = numbersFrom(AUDIO_CLOCK);
  readonly #videoNumbers = numbersFrom(VIDEO_CLOCK);
  readonly #transport: Transport;
  /** Whether its video has begun. */
  #begun = false;
  #sent = { sinceMs: 0, bytes: 0, rate: 0 };
  #keyframes = KEYFRAME_BURST;
  #keyframesAtMs = 0;

  constructor(
    id: string,
    watches: WatchedVideo,
    plan: ViewerPlan,
    cname: string,
    transport: Transport,
    listener: ViewerListener,
  ) {
    this.id = id;
    this.watches = watches;
    this.#listener = listener;
    this.#transport = transport;
    const track = (sent: SentTrack | undefined, clockRate: number): OutgoingTrack | undefined =>
      sent && new OutgoingTrack(transport, sent, clockRate, cname);
    this.video = track(plan.video, VIDEO_CLOCK);
    this.audio = track(plan.audio, AUDIO_CLOCK);
  }

  /** Sends a packet of the video that it watches, from a keyframe on. */
  sendVideo(packet: FeedPacket, nowMs: number): void {
    if (!this.video || !this.#transport.connected) return;
    this.#begun ||= packet.startsKeyframe;
    if (!this.#begun) return;
    const numbers = this.#videoNumbers.next('feed', packet, nowMs);
    if (!numbers) return;
    this.counts.video.packets++;
    this.counts.video.bytes += packet.payload.length;
    this.#sent.bytes += packet.payload.length;
    this.video.send({ ...numbers, marker: packet.marker, payload: packet.payload }, packet.captureMs, nowMs);
  }

  /** Sends a packet of audio. `source` is who published it. */
  sendAudio(source: string, packet: RtpPacket, captureMs: number | undefined, nowMs: number): void {
    if (!this.audio || !this.#transport.connected) return;
    const numbers = this.#audioNumbers.next(source, packet, nowMs);
    if (!numbers) return;
    this.counts.audio.packets++;
    this.counts.audio.bytes += packet.payload.length;
    this.#sent.bytes += packet.payload.length;
    this.audio.send({ ...numbers, marker: packet.marker, payload: packet.payload }, captureMs, nowMs);
  }

  /** Takes a message off the network. */
  rtcp(message: RtcpMessage, nowMs: number): void {
    switch (message.type) {
      case 'keyframe':
        if (message.source !== this.video?.ssrc) break;
        this.counts.keyframeRequests++;
        if (this.#mayAsk(nowMs)) this.#listener.keyframeWanted();
        break;
      case 'nack':
        this.counts.nacks += message.lost.length;
        this.counts.resent += this.#track(message.source)?.resend(message.lost, nowMs) ?? 0;
        break;
      case 'max-bitrate':
        this.#listener.feedback({ remb: message.bitrate, sent: this.#sentRate(nowMs) }, nowMs);
        break;
      case 'report': {
        const { lsr, dlsr, fractionLost } = message.report;
        const track = this.#track(message.source);
        track?.reported(lsr, dlsr, nowMs);
        if (!track || track !== this.video) break;
        const rtt = track.roundTripMs === undefined ? {} : { rttMs: track.roundTripMs };
        this.#listener.feedback({ fractionLost: fractionLost / 256, ...rtt }, nowMs);
        break;
      }
    }
  }

  /** Bits a second that were sent in the last second or so. */
  #sentRate(nowMs: number): number {
    const passedMs = nowMs - this.#sent.sinceMs;
    if (passedMs >= SENT_MS) this.#sent = { sinceMs: nowMs, bytes: 0, rate: (this.#sent.bytes * 8000) / passedMs };
    return this.#sent.rate;
  }

  #mayAsk(nowMs: number): boolean {
    const refilled = (nowMs - this.#keyframesAtMs) / KEYFRAME_EVERY_MS;
    this.#keyframes = Math.min(KEYFRAME_BURST, this.#keyframes + refilled);
    this.#keyframesAtMs = nowMs;
    if (this.#keyframes < 1) return false;
    this.#keyframes--;
    return true;
  }

  #track(ssrc: number): OutgoingTrack | undefined {
    return [this.video, this.audio].find((track) => track?.ssrc === ssrc);
  }
}

function numbersFrom(clockRate: number): Continuity {
  // From the lower half: with SRTP, a first packet that is lost just before wrapping is a pitfall (RFC 3711, section 3.3.1).
  return new Continuity(clockRate, { sequenceNumber: randomInt(2 ** 15), timestamp: randomInt(2 ** 32 - 1) });
}
