import type { AudioCodec, AudioSample, BaseTrackMetadata, EncodedPacket, MetadataTags, Rotation } from 'mediabunny';
import type { Size } from '../../frame/frame.js';
import type { FileContainer } from './options.js';
import type { ReadSubtitles } from './subtitles.js';

/** A decoded frame. Times are seconds of the file. */
export interface SourceFrame {
  /** The receiver closes it. Its pixels are 8 bit. */
  readonly frame: VideoFrame;
  readonly timestampS: number;
  /** 0 where it is not known. */
  readonly durationS: number;
}

/** What is known of the video before its first frame. */
export interface VideoFacts {
  /** Of the pictures as they are coded. */
  readonly size: Size;
  /** Clockwise, for whoever shows them. */
  readonly rotation: Rotation;
  readonly flip: boolean;
  /** Width of a pixel over its height. */
  readonly pixelAspect: number;
  readonly colour: VideoColorSpaceInit;
  /** Frames of the whole file, counted or estimated. */
  readonly frames: number;
  readonly startS: number;
  readonly endS: number;
}

/** Sound that goes along. */
export interface SoundTrack {
  /** For a person: `sound track 2 (AAC)`. */
  readonly name: string;
  readonly codec: AudioCodec | null;
  readonly config: AudioDecoderConfig | null;
  readonly metadata: BaseTrackMetadata;
  /** Whether {@link SoundTrack.samples} works. */
  readonly canDecode: boolean;
  /** As it is coded, in order. */
  packets(): AsyncGenerator<EncodedPacket, void, unknown>;
  /** Decoded, in order. The receiver closes each. */
  samples(): AsyncGenerator<AudioSample, void, unknown>;
}

/** A file that is open for reading. */
export interface Media {
  readonly video: VideoFacts;
  readonly sound: readonly SoundTrack[];
  /** `null` where there are none. */
  readonly subtitles: ReadSubtitles | null;
  readonly tags: MetadataTags;
  /** The kind of file to make of it, if nobody asks for another. */
  readonly container: FileContainer;
  /** Frames in the order they are shown, from the last one that begins at or before a time. */
  frames(fromS?: number): AsyncGenerator<SourceFrame, void, unknown>;
  dispose(): void;
}

/** Notices of what is not kept. */
export const NO_CHAPTERS = 'The chapters of the file are not in the output.';
export const NO_ATTACHMENTS = 'The files that are attached to the source, as fonts are, are not in the output.';

/** Told what the user should know. The same sentence counts once. */
export type Notice = (message: string) => void;
