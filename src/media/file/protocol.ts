import type { UpscaleErrorCode } from '../../frame/errors.js';
import type { StreamSettings } from '../../live/protocol.js';
import type { WorkerAssets } from '../browser-platform.js';
import type { FileContainer, FileEvent, FileProgress, FileQuality, FileVideoCodec } from './options.js';
import type { UpscaledFile } from './upscale-file.js';

/** URLs that the file worker needs, all absolute. */
export interface FileAssets extends WorkerAssets {
  /** The worker that ffmpeg.wasm runs in. */
  readonly ffmpegWorker: string;
  /** `ffmpeg-core.js` and `ffmpeg-core.wasm`, where the page says that they are. */
  readonly ffmpegCore: { readonly js: string; readonly wasm: string } | null;
}

/** What is to be upscaled. */
export type FileSource =
  | { readonly kind: 'blob'; readonly blob: Blob; readonly name: string }
  | { readonly kind: 'url'; readonly url: string; readonly name: string };

/** Where the output goes. */
export type FileSink =
  /** A temporary file of this name in the browser's private file system; memory where that is not to be had. */
  | { readonly kind: 'store'; readonly name: string }
  | { readonly kind: 'handle'; readonly handle: FileSystemFileHandle }
  /** `positioned`: it takes `{ type: 'write', data, position }`, else bytes one after another. */
  | { readonly kind: 'stream'; readonly writable: WritableStream; readonly positioned: boolean };

/** Checked options that a worker needs. */
export interface FileSettings {
  readonly stream: StreamSettings;
  readonly container: 'auto' | FileContainer;
  readonly codec: 'auto' | FileVideoCodec;
  readonly bitrate: number | null;
  readonly quality: FileQuality;
  /** Milliseconds between pictures that are shown to the page; `null`: none are. */
  readonly pictureEveryMs: number | null;
}

/** What is known of a finished file. */
export type FileSummary = Omit<UpscaledFile, 'blob' | 'name' | 'dispose'>;

/** Page to `file` worker. */
export type ToFile =
  | {
      readonly type: 'start';
      readonly assets: FileAssets;
      readonly settings: FileSettings;
      readonly source: FileSource;
      readonly sink: FileSink;
    }
  /** The picture before has been seen. */
  | { readonly type: 'seen' }
  | { readonly type: 'abort' };

/** `file` worker to page. */
export type FromFile =
  | { readonly type: 'progress'; readonly progress: FileProgress }
  | { readonly type: 'event'; readonly event: FileEvent }
  | { readonly type: 'picture'; readonly picture: VideoFrame }
  /** `blob`: the file, where the page gave no other place for it. */
  | { readonly type: 'done'; readonly summary: FileSummary; readonly blob: Blob | null }
  | {
      readonly type: 'failed';
      readonly message: string;
      /** `null`: no error of ours. */
      readonly code: UpscaleErrorCode | null;
      readonly recoverable: boolean;
    };
