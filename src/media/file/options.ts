import type { FallbackEvent, LoadingEvent } from '../../live/stats.js';
import { type BrowserUpscaleOptions, checkBrowserOptions } from '../options.js';
import type { FileSettings } from './protocol.js';

/** Kinds of files that can be written. */
export type FileContainer = 'mp4' | 'webm' | 'mkv' | 'mov';
/** Video codecs that can be written, where the browser has an encoder. `avc` is H.264, `hevc` is H.265. */
export type FileVideoCodec = 'avc' | 'vp9' | 'av1' | 'vp8' | 'hevc';
/** How good the coded picture is, by which the bitrate is chosen. */
export type FileQuality = 'low' | 'medium' | 'high' | 'very-high';

const CONTAINERS: readonly FileContainer[] = ['mp4', 'webm', 'mkv', 'mov'];
const CODECS: readonly FileVideoCodec[] = ['avc', 'vp9', 'av1', 'vp8', 'hevc'];
const QUALITIES: readonly FileQuality[] = ['low', 'medium', 'high', 'very-high'];

/** More threads than this win nothing. */
const MOST_THREADS = 8;

/** How far a file is. */
export interface FileProgress {
  /** Frames of the output that are made. */
  readonly framesDone: number;
  /** Frames of the whole file: counted where the file has a table of them, else as its first seconds suggest. */
  readonly framesTotal: number;
  /** Share of the file's time that is done, 0 to 100. */
  readonly percent: number;
  /** Seconds until the end at the present pace; `null` until that is known. */
  readonly secondsLeft: number | null;
  /** Frames made a second, over the last ten seconds or so. */
  readonly framesPerSecond: number;
}

/** Something that the user of the file should know: what is lost or changed. The same sentences stand in `notices`. */
export interface NoticeEvent {
  /** Tells the events apart. */
  readonly type: 'notice';
  /** For a person. */
  readonly message: string;
}

/** What happens to a file: another backend is taken, the model is on its way, something is to be known. */
export type FileEvent = FallbackEvent | LoadingEvent | NoticeEvent;

/** Choices of {@link upscaleFile}. */
export interface FileUpscaleOptions
  extends Pick<BrowserUpscaleOptions, 'scale' | 'lookahead' | 'backend' | 'maxTilePixels' | 'threads' | 'assets'> {
  /**
   * The network, as for live video. Default `auto`: the largest one of the scale, `mana-live`, on every backend, because a
   * file has time.
   */
  readonly model?: NonNullable<BrowserUpscaleOptions['model']>;
  /** The kind of file. Default: that of the source if it is MP4, WebM or Matroska, else MP4. */
  readonly container?: FileContainer;
  /** The video codec. Default: H.264 in MP4 and Matroska, VP9 in WebM, and the next one where this browser cannot encode that. */
  readonly codec?: FileVideoCodec;
  /** Bits a second of the video. Default: as `quality` says. */
  readonly bitrate?: number;
  /** Default `very-high`: what the network made should not be lost again. Ignored where `bitrate` is given. */
  readonly quality?: FileQuality;
  /**
   * Where the file is to be written as it is made: a handle that `showSaveFilePicker()` gave, the stream of such a handle, or
   * any stream of bytes. Into a stream of bytes nothing can be written twice, so an MP4 is fragmented there. Default: a
   * temporary file in the browser's private file system, which is given back as a Blob.
   */
  readonly writeTo?: FileSystemFileHandle | WritableStream;
  /** Told a few times a second. */
  readonly onProgress?: (progress: FileProgress) => void;
  /** Told what happens. */
  readonly onEvent?: (event: FileEvent) => void;
  /** Receives upscaled frames to look at, every now and then. Yours: close each one. */
  readonly onPicture?: (picture: VideoFrame) => void;
  /** Least time from one `onPicture` to the next, in milliseconds. Default 250. */
  readonly pictureEveryMs?: number;
  /** Ends the work and removes what was made so far. */
  readonly signal?: AbortSignal;
}

/**
 * Fills in defaults.
 * @throws TypeError with a sentence that names the option that is wrong
 */
export function checkFileOptions(options: FileUpscaleOptions = {}): FileSettings {
  // The page has nothing else to do than to wait for it: all cores.
  const { threads = Math.min(globalThis.navigator?.hardwareConcurrency ?? 1, MOST_THREADS) } = options;
  const stream = checkBrowserOptions({ ...options, threads, budgetMs: Number.POSITIVE_INFINITY, minFrameRate: 0 });
  const { container = 'auto', codec = 'auto', bitrate, quality = 'very-high', pictureEveryMs = 250 } = options;
  oneOf('container', container, ['auto', ...CONTAINERS]);
  oneOf('codec', codec, ['auto', ...CODECS]);
  oneOf('quality', quality, QUALITIES);
  if (container === 'webm' && (codec === 'avc' || codec === 'hevc')) {
    throw new TypeError(`options.codec cannot be ${codec} in a WebM file: take vp9, av1 or vp8, or another container.`);
  }
  if (bitrate !== undefined && !(Number.isSafeInteger(bitrate) && bitrate > 0)) {
    throw new TypeError('options.bitrate, when provided, must be a positive whole number of bits a second.');
  }
  if (!(pictureEveryMs >= 0)) {
    throw new TypeError('options.pictureEveryMs, when provided, must be a number of milliseconds, 0 or more.');
  }
  for (const name of ['onProgress', 'onEvent', 'onPicture'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') {
      throw new TypeError(`options.${name}, when provided, must be a function.`);
    }
  }
  const { writeTo } = options;
  if (writeTo !== undefined && !(isFileHandle(writeTo) || writeTo instanceof WritableStream)) {
    throw new TypeError('options.writeTo, when provided, must be a FileSystemFileHandle or a WritableStream.');
  }
  return {
    stream: { ...stream, model: stream.model === 'auto' ? `mana-live-x${stream.scale}` : stream.model },
    container,
    codec,
    bitrate: bitrate ?? null,
    quality,
    pictureEveryMs: options.onPicture ? pictureEveryMs : null,
  };
}

/** Whether something is a handle of a file. */
export function isFileHandle(value: unknown): value is FileSystemFileHandle {
  return typeof FileSystemFileHandle !== 'undefined' && value instanceof FileSystemFileHandle;
}

function oneOf(name: string, value: unknown, values: readonly string[]): void {
  if (!values.includes(value as string)) {
    throw new TypeError(`options.${name} must be one of ${values.join(', ')}.`);
  }
}
