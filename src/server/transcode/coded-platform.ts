import type { MemoryFrame } from '../../node/memory-frame.js';
import type { CodedPicture, VideoCodec } from '../codecs/codec.js';
import type { CodecLibrary } from '../codecs/load.js';

/** What a thread that codes is started with. */
export interface CodedThread {
  readonly library: CodecLibrary;
  /** Larger pictures are refused. */
  readonly maxPixels: number;
}

/** What goes from the main thread to a stream. */
export type CodedAsk =
  | {
      readonly type: 'picture';
      readonly picture: CodedPicture;
      /** When it came, in milliseconds since 1970. */
      readonly arrivedMs: number;
    }
  /** The next picture that comes out must be a keyframe. */
  | { readonly type: 'keyframe' }
  /** Bits a second from now on. */
  | { readonly type: 'bitrate'; readonly bitrate: number };

/** What a stream tells the main thread. */
export type CodedTell =
  | { readonly type: 'picture'; readonly picture: CodedPicture }
  /** A picture has been decoded, or refused: one less is on its way. */
  | { readonly type: 'taken' }
  /** Decoding cannot go on without a keyframe. */
  | { readonly type: 'keyframe-wanted' }
  /** The source's own pictures have to do from now on, or no more. */
  | { readonly type: 'forward'; readonly on: boolean };

/** The live core between a decoder and an encoder. */
export interface CodedPlatform {
  readonly frame: MemoryFrame;
  readonly assets: { readonly engineWorker: string };
  readonly source: { readonly codec: VideoCodec };
  readonly sink: { readonly codec: 'vp8' | 'h264'; readonly bitrate: number };
  readonly ask: CodedAsk;
  readonly tell: CodedTell;
}
