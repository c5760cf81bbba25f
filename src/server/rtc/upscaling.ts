import type { CodedPicture } from '../codecs/codec.js';
import type { OpenProcessor, VideoProcessor } from '../processor.js';
import { FrameAssembler } from '../rtp/assembler.js';
import { AudioDelay } from '../rtp/audio-delay.js';
import { EncoderBitrate, type ViewerFeedback } from '../rtp/bitrate.js';
import type { RtpPacketLike } from '../rtp/packet.js';

/** The encoder's bounds and beginning, in bits a second. */
const BITRATE = { min: 150_000, max: 8_000_000, start: 2_000_000 } as const;
const BITRATE_EVERY_MS = 1_000;
/** Viewers' wishes for a keyframe are answered by one keyframe in so long. */
const KEYFRAME_EVERY_MS = 250;

/** What an {@link Upscaling} tells its room. */
export interface UpscalingListener {
  picture(picture: CodedPicture): void;
  /** The source's own packets have to do, or no more. */
  switched(): void;
  /** The publisher's next keyframe is needed. */
  keyframeWanted(): void;
  level(level: string, reason: string): void;
}

/** The upscaled form of one publisher's video: pictures of its packets, a processor, and audio that waits as long as they do. */
export class Upscaling<Audio> {
  readonly #assembler: FrameAssembler;
  readonly #processor: VideoProcessor;
  readonly #listener: UpscalingListener;
  readonly #bitrate = new EncoderBitrate(BITRATE);
  readonly #audio = new AudioDelay<Audio>();
  readonly #play: (audio: Audio) => void;
  #timer: NodeJS.Timeout | undefined;
  /** Nothing can be decoded before the publisher's next keyframe. */
  #starved = true;
  #askedMs = Number.NEGATIVE_INFINITY;
  #ratedMs = Number.NEGATIVE_INFINITY;
  #rate: number = BITRATE.start;
  /** Whether the source's own packets have to do. */
  forwarding = false;
  level = 'fast';
  reason = '';
  delayMs = 0;

  /** @param play sends a packet of audio whose time has come */
  constructor(
    open: OpenProcessor,
    codec: 'vp8' | 'h264',
    readonly now: () => number,
    listener: UpscalingListener,
    play: (audio: Audio) => void,
  ) {
    this.#listener = listener;
    this.#play = play;
    this.#processor = open(
      { codec },
      {
        picture: (picture) => listener.picture(picture),
        forward: (on) => {
          this.forwarding = on;
          listener.switched();
        },
        keyframeWanted: () => this.#starve(),
        level: (level, reason) => {
          this.level = level;
          this.reason = reason;
          listener.level(level, reason);
        },
        delay: (ms) => {
          this.delayMs = ms;
          this.#audio.aim(ms);
        },
      },
    );
    this.#processor.setBitrate(this.#rate);
    this.#assembler = new FrameAssembler({
      codec,
      onPicture: (picture) => {
        if (picture.key) this.#starved = false;
        this.#processor.push(picture);
      },
      onKeyframeWanted: () => this.#starve(),
    });
  }

  /** Takes a packet of the source. */
  packet(packet: RtpPacketLike, nowMs: number): void {
    this.#assembler.push(packet, nowMs);
  }

  /** Holds a packet of audio for as long as the video takes longer. */
  hold(audio: Audio, nowMs: number): void {
    this.#audio.push(audio, nowMs);
    this.#release(nowMs);
  }

  /** A viewer needs a keyframe. */
  requestKeyframe(nowMs: number): void {
    if (nowMs - this.#askedMs < KEYFRAME_EVERY_MS) return;
    this.#askedMs = nowMs;
    this.#processor.requestKeyframe();
  }

  /** What a viewer's receiver says of its path. */
  feedback(viewer: string, feedback: ViewerFeedback, nowMs: number): void {
    this.#bitrate.feedback(viewer, feedback, nowMs);
  }

  /** A viewer has left. */
  forget(viewer: string): void {
    this.#bitrate.forget(viewer);
  }

  /** Does what is due; called some 50 times a second. */
  tick(nowMs: number): void {
    this.#assembler.tick(nowMs);
    if (this.#starved) this.#listener.keyframeWanted();
    if (nowMs - this.#ratedMs < BITRATE_EVERY_MS) return;
    this.#ratedMs = nowMs;
    const rate = this.#bitrate.target(nowMs);
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.#processor.setBitrate(rate);
  }

  /** Releases everything; what is held is not sent. */
  close(): void {
    clearTimeout(this.#timer);
    this.#audio.clear();
    this.#processor.close();
  }

  #starve(): void {
    this.#starved = true;
    this.#listener.keyframeWanted();
  }

  #release(nowMs: number): void {
    clearTimeout(this.#timer);
    for (const audio of this.#audio.due(nowMs)) this.#play(audio);
    const next = this.#audio.nextDueMs;
    if (next === undefined) return;
    this.#timer = setTimeout(() => this.#release(this.now()), Math.max(1, next - nowMs));
  }
}
