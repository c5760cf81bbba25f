import type { Size } from '../../frame/frame.js';
import type { MediaMetrics } from '../metrics.js';
import type { OpenProcessor } from '../processor.js';
import type { WatchedVideo } from '../rooms.js';
import { AudioDelay } from '../rtp/audio-delay.js';
import { EncoderBitrate } from '../rtp/bitrate.js';
import { KeyframeRequests } from '../rtp/keyframe-requests.js';
import { Feed, type FeedSettings } from './feed.js';
import type { RtcVideoCodec } from './formats.js';
import { fits, type Layer } from './layers.js';
import type { RoomEvent, RoomLimits } from './options.js';
import { keyframeSize, startsKeyframe } from './picture-start.js';
import type { Publisher } from './publisher.js';
import type { RtpPacket } from './rtp-packet.js';
import { UpscaledVideo } from './upscaled-video.js';
import type { Viewer } from './viewer.js';

/** What a {@link Broadcast} is made of. */
export interface BroadcastSettings {
  readonly codec: RtcVideoCodec;
  readonly limits: RoomLimits;
  readonly openProcessor: OpenProcessor | undefined;
  readonly pixelsPerSecond: () => number;
  readonly now: () => number;
  event(what: RoomEvent['what'], detail: string): void;
  /** The publisher must be ended. */
  endPublisher(reason: string): void;
  readonly metrics: MediaMetrics | undefined;
}

interface Following {
  readonly id: string;
  readonly publisher: Publisher;
  readonly sizes: (Size | undefined)[];
  readonly requests: readonly KeyframeRequests[];
}

interface HeldAudio {
  readonly source: string;
  readonly packet: RtpPacket;
  readonly captureMs: number | undefined;
}

/** Pictures a second that a processor's budget is reckoned with. */
const FRAME_RATE = 30;
/** Of upscaled pictures, which are four times as large as what came and more. */
const MIN_UPSCALED_BITRATE = 300_000;
const START_UPSCALED_BITRATE = 2_000_000;
const UPSCALED_BITRATES = 2;
/** How much more than it needs there must be for a larger layer. */
const MARGIN = 1.25;
const CHOOSE_EVERY_MS = 200;
const BITRATE_EVERY_MS = 1000;

/**
 * Carries the media of one stream of one codec from whoever publishes it now to all who watch: the feed for those who watch
 * what was sent, and another one, whose layer fits the machine, for the processor. Publishers come and go, viewers see one
 * stream without gaps in its numbers.
 */
export class Broadcast {
  readonly #settings: BroadcastSettings;
  readonly #viewers = new Set<Viewer>();
  readonly #source: Feed;
  readonly #small: Feed;
  #following: Following | undefined;
  #upscaled: UpscaledVideo | undefined;
  #audioDelay = new AudioDelay<HeldAudio>();
  #bitrate: EncoderBitrate;
  #choseAtMs = Number.NEGATIVE_INFINITY;
  #bitrateAtMs = Number.NEGATIVE_INFINITY;
  #size: Size = { width: 0, height: 0 };
  #level: string | null = null;
  #levelReason = '';
  #addedDelayMs = 0;

  constructor(settings: BroadcastSettings) {
    this.#settings = settings;
    this.#bitrate = this.#newBitrate();
    const feed = (send: FeedSettings['send']): Feed =>
      new Feed({ codec: settings.codec, send, keyframeWanted: (layer) => this.#request(layer) });
    this.#source = feed((packet, nowMs) => {
      for (const viewer of this.#viewers) if (viewer.watches === 'source') viewer.sendVideo(packet, nowMs);
    });
    this.#small = feed((packet, nowMs) => this.#upscaled?.push(packet, nowMs));
  }

  get codec(): RtcVideoCodec {
    return this.#settings.codec;
  }

  /** What is known of the video. */
  get state(): { size: Size; level: string | null; levelReason: string; addedDelayMs: number } {
    const open = this.#upscaled !== undefined;
    return {
      size: this.#size,
      level: open ? this.#level : null,
      levelReason: open ? this.#levelReason : '',
      addedDelayMs: open ? this.#addedDelayMs : 0,
    };
  }

  viewers(watches: WatchedVideo): number {
    return [...this.#viewers].filter((viewer) => viewer.watches === watches).length;
  }

  /** Follows a publisher. `id` is unique. */
  follow(id: string, publisher: Publisher): void {
    const requests = Array.from(
      { length: publisher.layers },
      (_, layer) => new KeyframeRequests({ send: () => publisher.requestKeyframe(layer) }),
    );
    this.#following = { id, publisher, sizes: [], requests };
    this.#source.follow(id);
    this.#small.follow(id);
  }

  /** The publisher has gone. */
  unfollow(id: string): void {
    if (this.#following?.id === id) this.#following = undefined;
  }

  add(viewer: Viewer): void {
    this.#viewers.add(viewer);
    if (viewer.watches === 'upscaled') this.#openUpscaled();
  }

  remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    this.#bitrate.forget(viewer.id);
    if (viewer.watches === 'upscaled' && this.viewers('upscaled') === 0) this.#closeUpscaled();
  }

  /** A viewer can see nothing before a keyframe. */
  requestKeyframe(viewer: Viewer): void {
    if (viewer.watches === 'source') this.#source.requestKeyframe();
    else this.#upscaled?.requestKeyframe();
  }

  /** A viewer's receiver has told what gets through. */
  feedback(viewer: Viewer, feedback: Parameters<EncoderBitrate['feedback']>[1], nowMs: number): void {
    if (viewer.watches === 'upscaled') this.#bitrate.feedback(viewer.id, feedback, nowMs);
  }

  /** Whether a layer of the publisher is used. */
  uses(layer: number): boolean {
    return this.#source.uses(layer) || (this.#upscaled !== undefined && this.#small.uses(layer));
  }

  /** So much of a layer is missing that only a keyframe helps. */
  lost(layer: number): void {
    if (this.uses(layer)) this.#request(layer);
  }

  /** Takes a packet of the publisher's video. */
  video(packet: RtpPacket, layer: number): void {
    const following = this.#following;
    if (!following) return;
    const nowMs = this.#settings.now();
    if (startsKeyframe(this.codec, packet.payload)) {
      following.requests[layer]?.arrived();
      if (!this.#learnSize(following, layer, packet)) return;
    }
    if (this.#source.layer < 0 || nowMs - this.#choseAtMs > CHOOSE_EVERY_MS) this.#choose(following, nowMs);
    const captureMs = following.publisher.captureMs('video', packet.timestamp, layer);
    this.#source.push(layer, packet, captureMs, nowMs);
    if (this.#upscaled) this.#small.push(layer, packet, captureMs, nowMs);
  }

  /** Takes a packet of the publisher's audio. */
  audio(packet: RtpPacket): void {
    const following = this.#following;
    if (!following) return;
    const nowMs = this.#settings.now();
    const captureMs = following.publisher.captureMs('audio', packet.timestamp);
    for (const viewer of this.#viewers) {
      if (viewer.watches === 'source') viewer.sendAudio(following.id, packet, captureMs, nowMs);
    }
    if (!this.#upscaled) return;
    this.#audioDelay.aim(this.#upscaled.forwarding ? 0 : this.#addedDelayMs);
    this.#audioDelay.push({ source: following.id, packet, captureMs }, nowMs);
    this.#sendHeld(nowMs);
  }

  /** Does what is due; called a hundred times a second. */
  tick(nowMs: number): void {
    this.#upscaled?.tick(nowMs);
    for (const requests of this.#following?.requests ?? []) requests.tick(nowMs);
    this.#sendHeld(nowMs);
    if (this.#upscaled && nowMs - this.#bitrateAtMs >= BITRATE_EVERY_MS) {
      this.#bitrateAtMs = nowMs;
      this.#upscaled.setBitrate(this.#bitrate.target(nowMs));
    }
  }

  /** Hands over what has been counted since the last time. */
  count(): void {
    const { metrics } = this.#settings;
    if (metrics) this.#upscaled?.count(metrics);
  }

  close(): void {
    this.#following = undefined;
    this.#viewers.clear();
    this.#closeUpscaled();
  }

  #choose({ publisher, sizes }: Following, nowMs: number): void {
    this.#choseAtMs = nowMs;
    const layers: Layer[] = Array.from({ length: publisher.layers }, (_, layer) => ({
      size: sizes[layer],
      active: publisher.isActive(layer, nowMs),
    }));
    const { maxSide, maxPixels } = this.#settings.limits;
    const before = this.#source.layer;
    this.#source.choose(layers, { maxSide, maxPixels }, nowMs);
    if (this.#source.layer !== before && publisher.layers > 1) this.#settings.event('layer', `${this.#source.layer}`);
    if (this.#upscaled) {
      const affordable = Math.min(maxPixels, this.#settings.pixelsPerSecond() / FRAME_RATE);
      // What is affordable is measured, and trembles: only a layer with room to spare is worth a change.
      const current = pixelsOf(sizes[this.#small.layer]);
      const most = current <= affordable ? Math.max(current, affordable / MARGIN) : affordable;
      this.#small.choose(layers, { maxSide, maxPixels: most }, nowMs);
    }
  }

  /** @returns whether the picture is allowed */
  #learnSize({ publisher, sizes }: Following, layer: number, packet: RtpPacket): boolean {
    const size = keyframeSize(this.codec, packet.payload);
    if (!size) return true;
    sizes[layer] = size;
    // A layer that is too large is not used; a stream that is has nothing else.
    if (publisher.layers === 1 && !fits(size, this.#settings.limits)) {
      this.#settings.endPublisher(`A picture of ${size.width}x${size.height} is larger than is allowed.`);
      return false;
    }
    const shown = this.#source.layer < 0 || this.#source.layer === layer;
    if (shown && (size.width !== this.#size.width || size.height !== this.#size.height)) {
      this.#size = size;
      this.#settings.event('picture-size', `${size.width}x${size.height}`);
    }
    return true;
  }

  #request(layer: number): void {
    this.#following?.requests[layer]?.request(this.#settings.now());
  }

  #sendHeld(nowMs: number): void {
    for (const { source, packet, captureMs } of this.#audioDelay.due(nowMs)) {
      for (const viewer of this.#viewers) {
        if (viewer.watches === 'upscaled') viewer.sendAudio(source, packet, captureMs, nowMs);
      }
    }
  }

  #openUpscaled(): void {
    const { openProcessor, codec, now, metrics, event } = this.#settings;
    if (this.#upscaled || !openProcessor) return;
    this.#bitrate = this.#newBitrate();
    this.#audioDelay = new AudioDelay();
    this.#addedDelayMs = 0;
    this.#level = 'fast';
    this.#levelReason = 'The network is starting.';
    event('processor-opened', codec);
    this.#upscaled = new UpscaledVideo({
      codec,
      openProcessor,
      now,
      send: (packet, nowMs) => {
        for (const viewer of this.#viewers) if (viewer.watches === 'upscaled') viewer.sendVideo(packet, nowMs);
      },
      keyframeWanted: () => this.#small.requestKeyframe(),
      level: (level, reason) => {
        this.#level = level;
        this.#levelReason = reason;
        event('level', `${level}: ${reason}`);
        metrics?.level(level);
      },
      delay: (addedDelayMs) => {
        this.#addedDelayMs = addedDelayMs;
        if (addedDelayMs > 0) metrics?.addedDelay(addedDelayMs);
      },
    });
    if (this.#following) this.#choose(this.#following, now());
    this.#small.requestKeyframe();
  }

  #closeUpscaled(): void {
    if (!this.#upscaled) return;
    this.#upscaled.close();
    this.#upscaled = undefined;
    this.#audioDelay.clear();
    this.#level = null;
    this.#settings.event('processor-closed', this.codec);
  }

  #newBitrate(): EncoderBitrate {
    const max = this.#settings.limits.maxBitrate * UPSCALED_BITRATES;
    const min = Math.min(MIN_UPSCALED_BITRATE, max);
    return new EncoderBitrate({ min, max, start: Math.min(START_UPSCALED_BITRATE, max) });
  }
}

function pixelsOf(size: Size | undefined): number {
  return size ? size.width * size.height : 0;
}
