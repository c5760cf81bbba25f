import type { CodecBackend, VideoCodec } from './codec.js';

/** What a backend does less well than its interface promises. */
export interface CodecCapabilities {
  /** Pictures that a decoder holds back, by codec. None where a codec is not named. */
  readonly heldBack: Readonly<Partial<Record<VideoCodec, number>>>;
  /** Whether keyframes come where they are asked for and hardly anywhere else. */
  readonly keyframesOnDemandOnly: boolean;
  /** Whether every change of the bitrate costs a keyframe. */
  readonly bitrateCostsKeyframe: boolean;
  /** Whether VP8 keeps an odd last column or row. H.264 cannot. */
  readonly oddSizes: boolean;
  /** Whether `maxPixels` is looked at before a decoder takes memory, and not only when a frame comes out. */
  readonly boundsMemory: boolean;
}

/** A backend that says what it cannot do. */
export interface CapableBackend extends CodecBackend {
  readonly capabilities: CodecCapabilities;
}
