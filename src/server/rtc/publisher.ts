import { randomInt } from 'node:crypto';
import { PublisherBitrate } from '../rtp/publisher-bitrate.js';
import { InboundTrack } from './inbound-track.js';
import type { RoomLimits } from './options.js';
import type { PublisherPlan } from './plan.js';
import type { ReceptionReport } from './reception.js';
import { maxBitrate, nack, pictureLoss, type RtcpMessage, receiverReport } from './rtcp.js';
import { extensionText, type RtpPacket } from './rtp-packet.js';
import { compactNtp, ntpToMs, SenderClock } from './sender-clock.js';
import { noTransfer } from './transfer-counts.js';
import type { Transport } from './transport.js';

/** What a {@link Publisher} tells. */
export interface PublisherListener {
  /** A packet of video, in the order of arrival. `layer` counts the layers of the offer. */
  video(packet: RtpPacket, layer: number): void;
  audio(packet: RtpPacket): void;
  /** So much of a layer is missing that only a keyframe helps. */
  keyframeWanted(layer: number): void;
  /** Whether a layer is used: only what is missing of it is asked for again. */
  uses(layer: number): boolean;
  /** It must be ended. */
  end(reason: string): void;
}

const REPORT_MS = 500;
const VIDEO_CLOCK = 90_000;
const AUDIO_CLOCK = 48_000;
/** Reports in a row, five seconds, for which somebody may send far too much. */
const MAX_REPORTS_ABOVE = 10;
/** What is asked of a publisher in the worst case, and in the beginning, in bits a second. */
const MIN_BITRATE = 150_000;
const START_BITRATE = 1_000_000;
/** A simulcast begins with all its layers. */
const START_BITRATE_OF_LAYERS = 3_000_000;
/** Not measured: a publisher is a receiver of nothing. Generous for one continent. */
const ROUND_TRIP_MS = 100;

/** The media of one publisher: which packet is what, and the feedback that goes back. Signalling and connecting are elsewhere. */
export class Publisher {
  readonly plan: PublisherPlan;
  readonly #transport: Transport;
  readonly #listener: PublisherListener;
  readonly #limits: RoomLimits;
  /** Of what we send. */
  readonly #ssrc = randomInt(1, 2 ** 32 - 1);
  readonly #layers: readonly InboundTrack[];
  readonly #audio: InboundTrack | undefined;
  readonly #clock: SenderClock<string>;
  readonly #bitrate: PublisherBitrate;
  #reportedAtMs: number;
  #reportsAbove = 0;
  /** Counted for the metrics. */
  readonly counts = noTransfer();
  #mediaAtMs: number;

  constructor(
    plan: PublisherPlan,
    transport: Transport,
    limits: RoomLimits,
    listener: PublisherListener,
    nowMs: number,
  ) {
    this.plan = plan;
    this.#transport = transport;
    this.#listener = listener;
    this.#limits = limits;
    const layers = plan.rids.length > 0 ? plan.rids : [''];
    this.#layers = layers.map(() => new InboundTrack(VIDEO_CLOCK));
    this.#audio = plan.audio && new InboundTrack(AUDIO_CLOCK);
    const rates = Object.fromEntries(layers.map((_, layer) => [`video${layer}`, VIDEO_CLOCK]));
    this.#clock = new SenderClock<string>({ ...rates, audio: AUDIO_CLOCK });
    const start = layers.length > 1 ? START_BITRATE_OF_LAYERS : START_BITRATE;
    const max = limits.maxBitrate;
    this.#bitrate = new PublisherBitrate({ min: Math.min(MIN_BITRATE, max), max, start });
    this.#reportedAtMs = nowMs;
    this.#mediaAtMs = nowMs;
  }

  /** Number of layers; 1 without simulcast. */
  get layers(): number {
    return this.#layers.length;
  }

  isActive(layer: number, nowMs: number): boolean {
    return this.#layers[layer]?.isActive(nowMs) ?? false;
  }

  /** When what has this timestamp was captured, in milliseconds since 1970. */
  captureMs(kind: 'audio' | 'video', timestamp: number, layer = 0): number | undefined {
    return this.#clock.captureMs(kind === 'audio' ? 'audio' : `video${layer}`, timestamp);
  }

  /** Takes a packet off the network. */
  rtp(packet: RtpPacket, nowMs: number): void {
    const { plan } = this;
    if (packet.payloadType === plan.video.payloadType) this.#videoPacket(packet, nowMs);
    else if (packet.payloadType === plan.audio?.payloadType) this.#audioPacket(packet, nowMs);
  }

  /** Takes a message off the network. */
  rtcp(message: RtcpMessage, nowMs: number): void {
    if (message.type !== 'sender-report') return;
    const layer = this.#layers.findIndex(({ ssrc }) => ssrc === message.ssrc);
    const track = layer >= 0 ? this.#layers[layer] : this.#audio?.ssrc === message.ssrc ? this.#audio : undefined;
    if (!track) return;
    track.senderReport(compactNtp(message.ntpTimestamp), nowMs);
    this.#clock.reported(layer >= 0 ? `video${layer}` : 'audio', ntpToMs(message.ntpTimestamp), message.rtpTimestamp);
  }

  /** Asks for a keyframe. How often is the caller's business. */
  requestKeyframe(layer: number): void {
    const ssrc = this.#layers[layer]?.ssrc;
    if (ssrc === undefined) return;
    this.counts.keyframeRequests++;
    this.#transport.sendRtcp([receiverReport(this.#ssrc, new Map()), pictureLoss(this.#ssrc, ssrc)]);
  }

  /** Does what is due; called some 50 times a second. */
  tick(nowMs: number): void {
    if (!this.#transport.connected) return;
    this.#askAgain(nowMs);
    if (nowMs - this.#reportedAtMs >= REPORT_MS) {
      const seconds = (nowMs - this.#reportedAtMs) / 1000;
      this.#reportedAtMs = nowMs;
      this.#report(nowMs, seconds);
    }
    if (nowMs - this.#mediaAtMs > this.#limits.idleMs) this.#listener.end('No media has come for too long.');
  }

  #videoPacket(packet: RtpPacket, nowMs: number): void {
    const layer = this.#layerOf(packet, nowMs);
    const track = this.#layers[layer];
    if (!track) return;
    this.#mediaAtMs = nowMs;
    this.counts.video.packets++;
    this.counts.video.bytes += packet.payload.length;
    const hopeless = track.received(packet, nowMs);
    // Padding has a timestamp of its own.
    if (packet.payload.length > 0) this.#clock.arrived(`video${layer}`, packet.timestamp, Date.now());
    this.#listener.video(packet, layer);
    if (hopeless) this.#listener.keyframeWanted(layer);
  }

  #layerOf(packet: RtpPacket, nowMs: number): number {
    const { rids, ridExtensionId } = this.plan;
    if (rids.length === 0) return this.#layers[0]?.accepts(packet.ssrc, nowMs) ? 0 : -1;
    const known = this.#layers.findIndex(({ ssrc }) => ssrc === packet.ssrc);
    if (known >= 0 || ridExtensionId === undefined) return known;
    const layer = rids.indexOf(extensionText(packet, ridExtensionId) ?? '');
    return this.#layers[layer]?.accepts(packet.ssrc, nowMs) ? layer : -1;
  }

  #audioPacket(packet: RtpPacket, nowMs: number): void {
    if (!this.#audio?.accepts(packet.ssrc, nowMs)) return;
    this.#mediaAtMs = nowMs;
    this.counts.audio.packets++;
    this.counts.audio.bytes += packet.payload.length;
    this.#audio.received(packet, nowMs);
    if (packet.payload.length === 0) return;
    this.#clock.arrived('audio', packet.timestamp, Date.now());
    this.#listener.audio(packet);
  }

  #askAgain(nowMs: number): void {
    if (!this.plan.video.feedback.has('nack')) return;
    this.#layers.forEach((track, layer) => {
      if (track.ssrc === undefined || !this.#listener.uses(layer)) return;
      const due = track.nacksDue(nowMs, ROUND_TRIP_MS);
      if (due.length === 0) return;
      this.counts.nacks += due.length;
      this.#transport.sendRtcp([receiverReport(this.#ssrc, new Map()), nack(this.#ssrc, track.ssrc, due)]);
    });
  }

  #report(nowMs: number, seconds: number): void {
    const reports = new Map<number, ReceptionReport>();
    const sources: number[] = [];
    let bytes = this.#audio?.takeBytes() ?? 0;
    let fractionLost = 0;
    for (const track of this.#layers) {
      bytes += track.takeBytes();
      if (track.ssrc === undefined) continue;
      const report = track.report(nowMs);
      fractionLost = Math.max(fractionLost, report.fractionLost / 256);
      reports.set(track.ssrc, report);
      sources.push(track.ssrc);
    }
    if (this.#audio?.ssrc !== undefined) reports.set(this.#audio.ssrc, this.#audio.report(nowMs));
    if (reports.size === 0) return;
    const received = (bytes * 8) / seconds;
    const packets = [receiverReport(this.#ssrc, reports)];
    const bitrate = this.#bitrate.update(received, fractionLost, nowMs);
    if (sources.length > 0) packets.push(maxBitrate(this.#ssrc, bitrate, sources));
    this.#transport.sendRtcp(packets);
    this.#reportsAbove = received > 2 * this.#limits.maxBitrate ? this.#reportsAbove + 1 : 0;
    if (this.#reportsAbove >= MAX_REPORTS_ABOVE) this.#listener.end('Far more was sent than is allowed.');
  }
}
