import type { OpenProcessor } from '../processor.js';
import type { StreamSummary, WatchedVideo } from '../rooms.js';
import { SignallingError } from '../rooms.js';
import { ticksOf } from '../rtp/packet.js';
import type { RtcVideoCodec } from './formats.js';
import type { RoomEvent, RoomLimits } from './options.js';
import { pictureSize } from './picture-size.js';
import type { PublisherPlan, ViewerPlan } from './plan.js';
import { Publisher } from './publisher.js';
import type { RtpPacket } from './rtp-packet.js';
import type { Session } from './session.js';
import { Upscaling } from './upscaling.js';
import { Viewer, type ViewerListener } from './viewer.js';

/** What a room asks of the house. */
export interface RoomHost {
  readonly limits: RoomLimits;
  readonly now: () => number;
  readonly openProcessor: OpenProcessor | undefined;
  event(event: RoomEvent): void;
  /** Nobody publishes any more, and nobody will wait: the name is free. */
  emptied(room: Room): void;
}

/** Audio that waits for its video. */
interface HeldAudio {
  readonly media: Publisher;
  readonly packet: RtpPacket;
  readonly captureMs: number | undefined;
}

/** A published stream, its publisher, who may be away for a moment, and its viewers. */
export class Room {
  readonly name: string;
  readonly #host: RoomHost;
  #videoCodec: RtcVideoCodec = 'vp8';
  #hasAudio = false;
  #publisher: { readonly session: Session; readonly media: Publisher } | undefined;
  #awaySinceMs: number | undefined;
  readonly #viewers = new Map<Session, Viewer>();
  #size = { width: 0, height: 0 };
  #layer = 0;
  #closed = false;
  /** While somebody watches it upscaled. */
  #upscaling: Upscaling<HeldAudio> | undefined;

  constructor(name: string, host: RoomHost) {
    this.name = name;
    this.#host = host;
  }

  /** What viewers can be offered; `undefined` while nobody publishes. */
  get published(): { videoCodec: RtcVideoCodec; audio: boolean } | undefined {
    return this.#publisher && { videoCodec: this.#videoCodec, audio: this.#hasAudio };
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  get summary(): StreamSummary {
    const count = (watches: WatchedVideo): number =>
      [...this.#viewers.values()].filter((viewer) => viewer.watches === watches).length;
    return {
      name: this.name,
      codec: this.#videoCodec,
      ...this.#size,
      viewers: { source: count('source'), upscaled: count('upscaled') },
      level: this.#upscaling?.level ?? null,
      levelReason: this.#upscaling?.reason ?? '',
      addedDelayMs: this.#upscaling?.delayMs ?? 0,
    };
  }

  /** Takes a publisher, who must be the only one. */
  publish(session: Session, plan: PublisherPlan): void {
    const nowMs = this.#host.now();
    const end = (reason: string): void => void session.close(reason);
    const media = new Publisher(
      plan,
      session.transport,
      this.#host.limits,
      {
        video: (packet, layer) => this.#video(media, packet, layer),
        audio: (packet) => this.#audio(media, packet),
        keyframeWanted: (layer) => void media.requestKeyframe(layer, this.#host.now()),
        end,
      },
      nowMs,
    );
    this.#publisher = { session, media };
    this.#awaySinceMs = undefined;
    const changed = this.#viewers.size > 0 && this.#videoCodec !== plan.videoCodec;
    this.#videoCodec = plan.videoCodec;
    this.#hasAudio = plan.audio !== undefined;
    if (changed) {
      for (const viewer of this.#viewers.keys()) void viewer.close('The publisher has come back with another codec.');
    }
    this.#upscale();
    for (const viewer of this.#viewers.values()) this.#choose(viewer);
    session.begin({
      connected: () => this.#event('connected', session, 'publisher'),
      rtp: (packet, at) => media.rtp(packet, at),
      rtcp: (message, at) => media.rtcp(message, at),
      ended: (reason) => this.#publisherEnded(session, reason),
    });
    this.#event('published', session, plan.videoCodec);
  }

  /** Takes a viewer. */
  watch(session: Session, plan: ViewerPlan, watches: WatchedVideo, cname: string): void {
    const listener: ViewerListener = {
      keyframeWanted: (viewer) => this.#keyframeFor(viewer),
      reception: (_, { maxBitrate, roundTripMs, fractionLost }) => {
        const feedback = {
          ...(maxBitrate === undefined ? {} : { remb: maxBitrate }),
          ...(fractionLost === undefined ? {} : { fractionLost }),
          ...(roundTripMs === undefined ? {} : { rttMs: roundTripMs }),
        };
        if (watches === 'upscaled') this.#upscaling?.feedback(session.id, feedback, this.#host.now());
      },
    };
    const viewer = new Viewer(watches, this.#videoCodec, plan, cname, session.transport, listener);
    this.#viewers.set(session, viewer);
    this.#upscale();
    this.#choose(viewer);
    session.begin({
      connected: () => {
        this.#event('connected', session, 'viewer');
        this.#keyframeFor(viewer);
      },
      rtcp: (message, at) => viewer.rtcp(message, at),
      ended: (reason) => {
        this.#viewers.delete(session);
        this.#upscaling?.forget(session.id);
        this.#upscale();
        this.#event('ended', session, reason);
      },
    });
    this.#event('watched', session, watches);
  }

  /** Does what is due; called some 50 times a second. */
  tick(nowMs: number): void {
    this.#publisher?.session.tick(nowMs);
    this.#publisher?.media.tick(nowMs);
    this.#upscaling?.tick(nowMs);
    for (const [session, viewer] of this.#viewers) {
      session.tick(nowMs);
      if (viewer.output.waiting) this.#keyframeFor(viewer);
    }
    if (this.#awaySinceMs === undefined) return;
    if (this.#viewers.size > 0 && nowMs - this.#awaySinceMs < this.#host.limits.publisherGraceMs) return;
    void this.close('The publisher has gone.');
  }

  /** Ends all sessions. */
  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#upscaling?.close();
    this.#upscaling = undefined;
    const sessions = [...this.#viewers.keys()];
    if (this.#publisher) sessions.push(this.#publisher.session);
    this.#host.emptied(this);
    await Promise.all(sessions.map((session) => session.close(reason)));
  }

  #publisherEnded(session: Session, reason: string): void {
    this.#event('ended', session, reason);
    if (this.#publisher?.session !== session) return;
    this.#publisher = undefined;
    this.#upscaling?.close();
    this.#upscaling = undefined;
    this.#awaySinceMs = this.#host.now();
  }

  #video(media: Publisher, packet: RtpPacket, layer: number): void {
    if (layer !== this.#layer) return;
    const nowMs = this.#host.now();
    if (packet.payload.length > 0) this.#learnSize(packet);
    const captureMs = media.captureMs('video', packet.timestamp, layer);
    for (const viewer of this.#viewers.values()) viewer.sendVideo(packet, captureMs, nowMs);
    this.#upscaling?.packet(packet, nowMs);
  }

  #audio(media: Publisher, packet: RtpPacket): void {
    const nowMs = this.#host.now();
    const captureMs = media.captureMs('audio', packet.timestamp);
    for (const viewer of this.#viewers.values()) {
      if (viewer.watches === 'source' || !this.#upscaling) viewer.sendAudio(media, packet, captureMs, nowMs);
    }
    this.#upscaling?.hold({ media, packet, captureMs }, nowMs);
  }

  #learnSize(packet: RtpPacket): void {
    const size = pictureSize(this.#videoCodec, packet.payload);
    if (!size || (size.width === this.#size.width && size.height === this.#size.height)) return;
    const { maxSide, maxPixels } = this.#host.limits;
    if (Math.max(size.width, size.height) > maxSide || size.width * size.height > maxPixels) {
      void this.#publisher?.session.close(`A picture of ${size.width}x${size.height} is larger than is allowed.`);
      return;
    }
    this.#size = size;
    this.#event('picture-size', this.#publisher?.session, `${size.width}x${size.height}`);
  }

  /** Upscales while there is a publisher and somebody who watches that. */
  #upscale(): void {
    const wanted = [...this.#viewers.values()].some(({ watches }) => watches === 'upscaled');
    const { openProcessor } = this.#host;
    const publisher = this.#publisher;
    if (!wanted || !publisher || !openProcessor || this.#closed) {
      if (this.#upscaling) this.#event('processor-closed', undefined, '');
      this.#upscaling?.close();
      this.#upscaling = undefined;
      return;
    }
    if (this.#upscaling) return;
    const { media } = publisher;
    const upscaled = (): Viewer[] => [...this.#viewers.values()].filter(({ watches }) => watches === 'upscaled');
    this.#upscaling = new Upscaling<HeldAudio>(
      openProcessor,
      this.#videoCodec,
      this.#host.now,
      {
        picture: (picture) => {
          const nowMs = this.#host.now();
          const ticks = ((ticksOf(picture.timestampUs) % 2 ** 32) + 2 ** 32) % 2 ** 32;
          const captureMs = media.captureMs('video', ticks, this.#layer);
          for (const viewer of upscaled()) viewer.sendPicture(picture, captureMs, nowMs);
        },
        switched: () => {
          for (const viewer of upscaled()) this.#choose(viewer);
        },
        keyframeWanted: () => this.#keyframe(),
        level: (level, reason) => this.#event('level', publisher.session, `${level}: ${reason}`),
      },
      ({ media, packet, captureMs }) => {
        for (const viewer of upscaled()) viewer.sendAudio(media, packet, captureMs, this.#host.now());
      },
    );
    this.#event('processor-opened', publisher.session, this.#videoCodec);
  }

  /** What a viewer's video comes from now. */
  #choose(viewer: Viewer): void {
    const publisher = this.#publisher;
    if (!publisher) return;
    const own = viewer.watches === 'upscaled' && this.#upscaling !== undefined && !this.#upscaling.forwarding;
    viewer.select({ id: own ? 'own' : 'source', timeBase: `${publisher.session.id}/${this.#layer}` });
  }

  #keyframeFor(viewer: Viewer): void {
    if (viewer.output.selected?.id === 'own') this.#upscaling?.requestKeyframe(this.#host.now());
    else this.#keyframe();
  }

  #keyframe(): void {
    this.#publisher?.media.requestKeyframe(this.#layer, this.#host.now());
  }

  #event(what: RoomEvent['what'], session: Session | undefined, detail: string): void {
    this.#host.event({ stream: this.name, what, detail, ...(session ? { session: session.id } : {}) });
  }
}

/** Refuses what a limit does not allow. */
export function refuseAbove(count: number, limit: number, what: string): void {
  if (count >= limit) throw new SignallingError(503, `There is no room for another ${what}.`);
}
