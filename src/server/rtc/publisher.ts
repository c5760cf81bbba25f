import { randomInt } from 'node:crypto';
import { InboundTrack } from './inbound-track.js';
import type { RoomLimits } from './options.js';
import type { PublisherPlan } from './plan.js';
import type { ReceptionReport } from './reception.js';
import { maxBitrate, nack, pictureLoss, type RtcpMessage, receiverReport } from './rtcp.js';
import { extensionText, type RtpPacket } from './rtp-packet.js';
import { compactNtp, ntpToMs, SenderClock } from './sender-clock.js';
import type { Transport } from './transport.js';

/** What a {@link Publisher} tells. */
export interface PublisherListener {
  /** A packet of video, in the order of arrival. `layer` counts the layers of the offer. */
  video(packet: RtpPacket, layer: number): void;
  audio(packet: RtpPacket): void;
  /** So much of a layer is missing that only a keyframe helps. */
  keyframeWanted(layer: number): void;
  /** It must be ended. */
  end(reason: string): void;
}

const REPORT_MS = 500;
/** A keyframe takes that long to come, mostly; asking more often makes publishers send several. */
const KEYFRAME_REQUEST_MS = 250;
const VIDEO_CLOCK = 90_000;
const AUDIO_CLOCK = 48_000;
const RATE_WINDOW_MS = 1000;
const MAX_WINDOWS_ABOVE = 5;
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
  readonly #asked: number[] = [];
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #windowAtMs: number;
  #windowsAbove = 0;
  #wantedLayer = 0;
  /** Counted for the metrics. */
  readonly counts = { packets: 0, bytes: 0, nacks: 0, keyframeRequests: 0 };
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
    this.#windowAtMs = nowMs;
    this.#mediaAtMs = nowMs;
  }

  /** Number of layers; 1 without simulcast. */
  get layers(): number {
    return this.#layers.length;
  }

  isActive(layer: number, nowMs: number): boolean {
    return this.#layers[layer]?.isActive(nowMs) ?? false;
  }

  /** The layer that viewers see: only what is missing of it is asked for again. */
  set wantedLayer(layer: number) {
    this.#wantedLayer = layer;
  }

  /** When what has this timestamp was captured, in milliseconds since 1970. */
  captureMs(kind: 'audio' | 'video', timestamp: number, layer = 0): number | undefined {
    return this.#clock.captureMs(kind === 'audio' ? 'audio' : `video${layer}`, timestamp);
  }

  /** Takes a packet off the network. */
  rtp(packet: RtpPacket, nowMs: number): void {
    const { plan } = this;
    this.counts.packets++;
    this.counts.bytes += packet.payload.length;
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

  /**
   * Asks for a keyframe, unless that was done a moment ago.
   * @returns whether it was asked now
   */
  requestKeyframe(layer: number, nowMs: number): boolean {
    const ssrc = this.#layers[layer]?.ssrc;
    if (ssrc === undefined || nowMs - (this.#asked[layer] ?? Number.NEGATIVE_INFINITY) < KEYFRAME_REQUEST_MS)
      return false;
    this.#asked[layer] = nowMs;
    this.counts.keyframeRequests++;
    this.#transport.sendRtcp([receiverReport(this.#ssrc, new Map()), pictureLoss(this.#ssrc, ssrc)]);
    return true;
  }

  /** Does what is due; called some 50 times a second. */
  tick(nowMs: number): void {
    if (!this.#transport.connected) return;
    this.#askAgain(nowMs);
    if (nowMs - this.#reportedAtMs >= REPORT_MS) {
      this.#reportedAtMs = nowMs;
      this.#report(nowMs);
    }
    if (nowMs - this.#mediaAtMs > this.#limits.idleMs) this.#listener.end('No media has come for too long.');
    if (nowMs - this.#windowAtMs >= RATE_WINDOW_MS) this.#checkRate(nowMs);
  }

  #videoPacket(packet: RtpPacket, nowMs: number): void {
    const layer = this.#layerOf(packet, nowMs);
    const track = this.#layers[layer];
    if (!track) return;
    this.#mediaAtMs = nowMs;
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
    this.#audio.received(packet, nowMs);
    if (packet.payload.length === 0) return;
    this.#clock.arrived('audio', packet.timestamp, Date.now());
    this.#listener.audio(packet);
  }

  #askAgain(nowMs: number): void {
    if (!this.plan.video.feedback.has('nack')) return;
    const track = this.#layers[this.#wantedLayer];
    if (track?.ssrc === undefined) return;
    const due = track.nacksDue(nowMs, ROUND_TRIP_MS);
    if (due.length === 0) return;
    this.counts.nacks += due.length;
    this.#transport.sendRtcp([receiverReport(this.#ssrc, new Map()), nack(this.#ssrc, track.ssrc, due)]);
  }

  #report(nowMs: number): void {
    const reports = new Map<number, ReceptionReport>();
    const sources: number[] = [];
    for (const track of [...this.#layers, this.#audio]) {
      if (track?.ssrc === undefined) continue;
      reports.set(track.ssrc, track.report(nowMs));
      if (track !== this.#audio) sources.push(track.ssrc);
    }
    if (reports.size === 0) return;
    const packets = [receiverReport(this.#ssrc, reports)];
    if (sources.length > 0) packets.push(maxBitrate(this.#ssrc, this.#limits.maxBitrate, sources));
    this.#transport.sendRtcp(packets);
  }

  #checkRate(nowMs: number): void {
    const bytes = [...this.#layers, this.#audio].reduce((sum, track) => sum + (track?.takeBytes() ?? 0), 0);
    const bitrate = (bytes * 8000) / (nowMs - this.#windowAtMs);
    this.#windowAtMs = nowMs;
    this.#windowsAbove = bitrate > 2 * this.#limits.maxBitrate ? this.#windowsAbove + 1 : 0;
    if (this.#windowsAbove >= MAX_WINDOWS_ABOVE) this.#listener.end('Far more was sent than is allowed.');
  }
}
