import type { CodedPicture } from './codecs/codec.js';

/** What a {@link VideoProcessor} tells. */
export interface ProcessorListener {
  /** An upscaled picture, in the order of its timestamps, which are the source's. */
  picture(picture: CodedPicture): void;
  /**
   * Whether the machine is too busy even for plain resampling: source packets are then forwarded instead, from a keyframe
   * on, and pictures come again only after `forward(false)`, the first one a keyframe.
   */
  forward(on: boolean): void;
  /** A picture could not be decoded: the source's next keyframe is needed. */
  keyframeWanted(): void;
  /** What makes the picture now, and why. */
  level(level: string, reason: string): void;
  /** How much later upscaled pictures come out than they went in, in milliseconds: a median, some times a second. */
  delay(addedDelayMs: number): void;
}

/** Decodes, upscales and encodes one stream on other threads. */
export interface VideoProcessor {
  /**
   * Takes a picture and owns its memory. Pictures come in decoding order, the first one a keyframe; gaps end with a keyframe.
   * @returns whether it will be decoded: not where too many wait for that already
   */
  push(picture: CodedPicture): boolean;
  /** Makes the next picture that comes out a keyframe. */
  requestKeyframe(): void;
  /** Bits a second that the pictures may take. */
  setBitrate(bitrate: number): void;
  /** Releases everything. Nothing is told afterwards. */
  close(): void;
}

/** Starts a processor. */
export type OpenProcessor = (settings: { codec: 'vp8' | 'h264' }, listener: ProcessorListener) => VideoProcessor;
