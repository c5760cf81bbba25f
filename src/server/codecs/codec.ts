import type { PlanarFrame, Size } from '../../frame/frame.js';

/** Codecs by the names of their RTP payload formats, in small letters. */
export type VideoCodec = 'vp8' | 'h264' | 'vp9' | 'av1';

/** One coded picture: what an encoder makes of one frame, and what RTP packets of one timestamp carry. */
export interface CodedPicture {
  /** What it is coded in. */
  readonly codec: VideoCodec;
  /** VP8: one frame. H.264: an access unit in Annex B, parameter sets before every keyframe. The holder owns its memory. */
  readonly data: Uint8Array;
  /** Whether decoding can begin with it. */
  readonly key: boolean;
  /** Presentation time in microseconds. */
  readonly timestampUs: number;
}

/** Decodes one stream. Calls are made one after another. */
export interface VideoDecoder {
  /**
   * Decodes a picture with low delay: what can be shown now comes back now.
   * @returns frames that own their memory, I420, mostly one; none for a picture that is not shown
   * @throws UpscaleError `frame-unsupported` for what cannot be decoded; the decoder can go on with the next keyframe
   */
  decode(picture: CodedPicture): Promise<PlanarFrame[]>;
  /** Frees the decoder's memory. */
  dispose(): void;
}

/** Choices for an encoder. */
export interface EncoderSettings {
  readonly codec: 'vp8' | 'h264';
  readonly size: Size;
  /** Bits a second. */
  readonly bitrate: number;
  /** Frames a second, about. */
  readonly frameRate: number;
}

/** Encodes one stream, without frames in advance and without B-frames. Calls are made one after another. */
export interface VideoEncoder {
  /**
   * Encodes a frame of the encoder's size, in any {@link PlanarFrame} format.
   * @param key whether it must be a keyframe
   * @returns the picture, or nothing where the encoder's rate control left it out
   */
  encode(frame: PlanarFrame, key: boolean): Promise<CodedPicture | undefined>;
  /** Changes the rate, in bits a second, from the next frame on. May cost a keyframe. */
  setBitrate(bitrate: number): void;
  /** Frees the encoder's memory. */
  dispose(): void;
}

/** Resamples frames with the platform's own good scaler. */
export interface VideoScaler {
  /** The picture at another size, I420, owning its memory, with the same times. Keeps the aspect, with black bars where it differs. */
  scale(frame: PlanarFrame, size: Size): PlanarFrame;
  /** Frees the scaler's memory. */
  dispose(): void;
}

/** A library that codes video. */
export interface CodecBackend {
  /** The package's name. */
  readonly name: string;
  readonly decodes: readonly VideoCodec[];
  readonly encodes: readonly EncoderSettings['codec'][];
  /** @throws UpscaleError `backend-unavailable` when the codec is missing */
  createDecoder(codec: VideoCodec): Promise<VideoDecoder>;
  /** @throws UpscaleError `backend-unavailable` when the codec is missing */
  createEncoder(settings: EncoderSettings): Promise<VideoEncoder>;
  createScaler(): VideoScaler;
}
