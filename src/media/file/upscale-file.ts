import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import { fileAssets, startFileWorker } from '../assets.js';
import {
  checkFileOptions,
  type FileContainer,
  type FileUpscaleOptions,
  type FileVideoCodec,
  isFileHandle,
} from './options.js';
import type { FileSettings, FileSink, FileSource, FromFile, ToFile } from './protocol.js';
import { keepStored, type StoredFile } from './stored-file.js';

/** Longest that a worker may take to release what it holds before it is ended. */
const RELEASE_MS = 5_000;

/** A finished file. */
export interface UpscaledFile {
  /** The file, where no other place for it was given: on disk, not in memory, where the browser has a private file system. */
  readonly blob: Blob | null;
  /** A name for it: that of the source, the scale, and the ending that belongs to its kind. */
  readonly name: string;
  /** With codecs: `video/mp4; codecs="avc1.640028, mp4a.40.2"`. */
  readonly mimeType: string;
  /** Its kind. */
  readonly container: FileContainer;
  /** Its video codec. */
  readonly codec: FileVideoCodec;
  /** Size of its pictures, before they are turned. */
  readonly size: Size;
  /** Frames in it. */
  readonly frames: number;
  /** From the first frame's beginning to the last one's end. */
  readonly durationS: number;
  /** Bytes written. */
  readonly bytes: number;
  /** What the network ran on at the end, for a person. */
  readonly backend: string;
  /** Name of the network. */
  readonly model: string;
  /** What is lost or changed, in whole sentences. */
  readonly notices: readonly string[];
  /** Removes the temporary file behind `blob`, which cannot be read any more. It is also removed some time after the page is closed. */
  dispose(): void;
}

/**
 * Upscales a video file and makes a file of it: same frames, same times, same sound. All work is done in a worker of its own;
 * frames stream through, so memory does not grow with the file.
 *
 * @param file a File or Blob, or the URL of one on a server that answers byte ranges
 * @returns the finished file; dispose of it when its Blob is not needed any more
 * @throws TypeError when an option is wrong
 * @throws UpscaleError `file-invalid`, `file-unsupported`, `output-unsupported`, `output-failed`, or one of the network's
 * @throws the signal's reason, when everything has been released
 *
 * @example
 * ```ts
 * const upscaled = await upscaleFile(input.files[0], { onProgress: ({ percent }) => { bar.value = percent; } });
 * link.href = URL.createObjectURL(upscaled.blob);
 * link.download = upscaled.name;
 * ```
 */
export async function upscaleFile(file: Blob | string | URL, options: FileUpscaleOptions = {}): Promise<UpscaledFile> {
  const settings = checkFileOptions(options);
  const { assets = {}, signal } = options;
  const source = sourceOf(file);
  signal?.throwIfAborted();
  const stored = options.writeTo ? undefined : await keepStored();
  const leave = new AbortController();
  const { sink, copied } = sinkOf(options.writeTo, stored, leave.signal);
  let worker: Worker;
  try {
    worker = startFileWorker(assets);
  } catch (cause) {
    stored?.release();
    throw new UpscaleError('worker-failed', 'The file worker could not be started.', { cause, recoverable: false });
  }
  try {
    const { summary, blob } = await converse(worker, source, sink, settings, options, copied);
    await copied;
    const { frames, notices, ...rest } = summary;
    const dispose = (): void => stored?.release();
    const name = `${source.name.replace(/\.[^.]*$/, '')}-x${settings.stream.scale}.${summary.container}`;
    return { ...rest, frames, notices, blob, name, dispose };
  } catch (thrown) {
    stored?.release();
    leave.abort(thrown);
    await copied?.catch(() => undefined);
    throw thrown;
  } finally {
    worker.terminate();
  }
}

type Done = Extract<FromFile, { type: 'done' }>;

/** Talks with a worker until it is done. */
function converse(
  worker: Worker,
  source: FileSource,
  sink: FileSink,
  settings: FileSettings,
  { assets = {}, signal, onProgress, onEvent, onPicture }: FileUpscaleOptions,
  copied: Promise<void> | undefined,
): Promise<Done> {
  const post = (message: ToFile, transfer: Transferable[] = []): void => worker.postMessage(message, transfer);
  return new Promise<Done>((resolve, reject) => {
    let patience: ReturnType<typeof setTimeout> | undefined;
    let ended: { readonly reason: unknown } | undefined;
    const over = (settle: () => void): void => {
      clearTimeout(patience);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    /** What the worker holds is released first. */
    const end = (reason: unknown): void => {
      if (ended) return;
      ended = { reason };
      post({ type: 'abort' });
      patience = setTimeout(() => over(() => reject(reason)), RELEASE_MS);
    };
    const abort = (): void => end(signal?.reason);
    copied?.catch((cause: unknown) => {
      const why = `The output could not be written: ${reasonOf(cause)}`;
      end(new UpscaleError('output-failed', why, { cause, recoverable: false }));
    });
    worker.addEventListener('message', ({ data }: MessageEvent<FromFile>) => {
      if (data.type === 'progress') onProgress?.(data.progress);
      else if (data.type === 'event') onEvent?.(data.event);
      else if (data.type === 'picture') {
        if (onPicture) onPicture(data.picture);
        else data.picture.close();
        post({ type: 'seen' });
      } else if (data.type === 'done') over(() => resolve(data));
      else over(() => reject(ended ? ended.reason : errorOf(data)));
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const why = event.message
        ? `: ${event.message}`
        : ': its script could not be loaded (see options.assets.fileWorker)';
      over(() => reject(new UpscaleError('worker-failed', `The file worker failed${why}.`, { recoverable: false })));
    });
    signal?.addEventListener('abort', abort, { once: true });
    const moved = sink.kind === 'stream' ? [sink.writable as unknown as Transferable] : [];
    post({ type: 'start', assets: fileAssets(assets), settings, source, sink }, moved);
  });
}

function errorOf({ code, message, recoverable }: Extract<FromFile, { type: 'failed' }>): Error {
  return code ? new UpscaleError(code, message, { recoverable }) : new Error(message);
}

function sourceOf(file: Blob | string | URL): FileSource {
  if (file instanceof Blob) return { kind: 'blob', blob: file, name: file instanceof File ? file.name : 'video' };
  if (typeof file !== 'string' && !(file instanceof URL)) {
    throw new TypeError('file must be a File, a Blob or a URL.');
  }
  let url: URL;
  try {
    url = new URL(file, location.href);
  } catch {
    throw new TypeError(`file must be a File, a Blob or a URL; ${JSON.stringify(file)} is no URL.`);
  }
  const last = url.pathname.split('/').pop();
  let name = last || 'video';
  try {
    name = decodeURIComponent(name);
  } catch {
    // A name that is not encoded as names are stays as it is.
  }
  return { kind: 'url', url: url.href, name };
}

/** Where the worker writes, and when all of that has arrived there. */
function sinkOf(
  writeTo: FileUpscaleOptions['writeTo'],
  stored: StoredFile | undefined,
  leave: AbortSignal,
): { sink: FileSink; copied?: Promise<void> } {
  if (!writeTo) return { sink: { kind: 'store', name: stored?.name ?? '' } };
  if (isFileHandle(writeTo)) return { sink: { kind: 'handle', handle: writeTo } };
  // A stream that is only known here is fed by one that can be sent.
  const { readable, writable } = new TransformStream<unknown, unknown>();
  const positioned =
    typeof FileSystemWritableFileStream !== 'undefined' && writeTo instanceof FileSystemWritableFileStream;
  const copied = readable.pipeTo(writeTo, { signal: leave });
  copied.catch(() => undefined);
  return { sink: { kind: 'stream', writable, positioned }, copied };
}
