import type { MediaMetrics } from '../metrics.js';
import type { OpenProcessor, VideoProcessor } from '../processor.js';
import { FrameAssembler } from '../rtp/assembler.js';
import { KeyframeRequests } from '../rtp/keyframe-requests.js';
import { OutputTrack } from '../rtp/output-track.js';
import { ticksOf } from '../rtp/packet.js';
import type { FeedPacket } from './feed.js';
import type { RtcVideoCodec } from './formats.js';
import { startsKeyframe } from './picture-start.js';

/** What {@link UpscaledVideo} is made of. */
export interface UpscaledVideoSettings {
  readonly codec: RtcVideoCodec;
  readonly openProcessor: OpenProcessor;
  readonly now: () => number;
  send(packet: FeedPacket, nowMs: number): void;
  /** The source's next keyframe is needed. */
  keyframeWanted(): void;
  level(level: string, reason: string): void;
  delay(addedDelayMs: number): void;
}

/** Pictures of the processor, and packets of the source that go in its place. They have one clock. */
const PROCESSOR = { id: 'processor', timeBase: 'feed' } as const;
const SOURCE = { id: 'source', timeBase: 'feed' } as const;
const TICKS_PER_MS = 90;

/**
 * The upscaled form of a stream: whole pictures go to a processor, what it makes goes out as one RTP stream, and where the
 * machine is too busy for that the source's own packets do.
 */
export class UpscaledVideo {
  readonly #settings: UpscaledVideoSettings;
  readonly #assembler: FrameAssembler;
  readonly #track: OutputTrack;
  readonly #processor: VideoProcessor;
  /** Where the source's timestamps lie. */
  #anchor: { readonly timestamp: number; readonly captureMs: number } | undefined;
  #captureMs: number | undefined;
  #forwarding = false;
  #bitrate = 0;
  /** Keyframes are large: what many viewers ask for until one comes is one. */
  readonly #keyframes = new KeyframeRequests({ send: () => this.#processor.requestKeyframe() });
  readonly #counts = { received: 0, upscaled: 0, overload: 0, gaps: 0 };
  #closed = false;

  constructor(settings: UpscaledVideoSettings) {
    this.#settings = settings;
    const { codec } = settings;
    this.#track = new OutputTrack({
      codec,
      send: (packet) => {
        const begins = startsKeyframe(codec, packet.payload);
        settings.send({ ...packet, captureMs: this.#captureMs, startsKeyframe: begins }, settings.now());
      },
      onKeyframeWanted: () => this.requestKeyframe(),
    });
    this.#assembler = new FrameAssembler({
      codec,
      onPicture: (picture) => {
        this.#counts.received++;
        if (!this.#processor.push(picture)) this.#counts.overload++;
      },
      onKeyframeWanted: () => settings.keyframeWanted(),
    });
    this.#processor = settings.openProcessor(
      { codec },
      {
        picture: (picture) => {
          if (this.#closed) return;
          const ticks = ticksOf(picture.timestampUs);
          this.#captureMs = this.#captureOf(ticks);
          this.#counts.upscaled++;
          if (picture.key) this.#keyframes.arrived();
          this.#track.picture(PROCESSOR.id, picture, settings.now());
        },
        forward: (on) => {
          if (this.#closed) return;
          this.#forwarding = on;
          this.#keyframes.arrived();
          this.#track.select(on ? SOURCE : PROCESSOR);
        },
        keyframeWanted: () => !this.#closed && settings.keyframeWanted(),
        level: (level, reason) => !this.#closed && settings.level(level, reason),
        delay: (addedDelayMs) => !this.#closed && settings.delay(addedDelayMs),
      },
    );
    // Its first picture is a keyframe without being asked.
    this.#track.select(PROCESSOR);
    settings.keyframeWanted();
  }

  /** Whether the source's packets go out now. */
  get forwarding(): boolean {
    return this.#track.current?.id === SOURCE.id;
  }

  /** Takes a packet of the feed. */
  push(packet: FeedPacket, nowMs: number): void {
    const { timestamp, captureMs } = packet;
    if (captureMs !== undefined) this.#anchor = { timestamp, captureMs };
    this.#captureMs = captureMs;
    this.#track.forward(SOURCE.id, packet, nowMs);
    this.#assembler.push(packet, nowMs);
  }

  /** Does what is due; called some 50 times a second. */
  tick(nowMs: number): void {
    this.#assembler.tick(nowMs);
    this.#keyframes.tick(nowMs);
  }

  /** A viewer needs a keyframe. */
  requestKeyframe(): void {
    if (this.#closed) return;
    // A processor that is too busy makes none.
    if (this.#forwarding) this.#settings.keyframeWanted();
    else this.#keyframes.request(this.#settings.now());
  }

  setBitrate(bitrate: number): void {
    if (bitrate === this.#bitrate) return;
    this.#bitrate = bitrate;
    this.#processor.setBitrate(bitrate);
  }

  /** Hands over what has been counted since the last time. */
  count(metrics: MediaMetrics): void {
    const { received, upscaled, overload, gaps } = this.#counts;
    const { gapsGivenUp } = this.#assembler.stats;
    metrics.pictures('received', received);
    metrics.pictures('upscaled', upscaled);
    metrics.dropped('overload', overload);
    metrics.dropped('gap', gapsGivenUp - gaps);
    Object.assign(this.#counts, { received: 0, upscaled: 0, overload: 0, gaps: gapsGivenUp });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#processor.close();
  }

  #captureOf(ticks: number): number | undefined {
    const anchor = this.#anchor;
    if (!anchor) return undefined;
    // Both count modulo 2^32; they are a few seconds apart.
    return anchor.captureMs + (((ticks % 2 ** 32) - anchor.timestamp) | 0) / TICKS_PER_MS;
  }
}
