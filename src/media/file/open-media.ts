import { reasonOf, UpscaleError } from '../../frame/errors.js';
import { NotForBrowser, openBrowserMedia } from './browser-media.js';
import { openFfmpegMedia } from './ffmpeg-media.js';
import { readSubtitles } from './ffmpeg-subtitles.js';
import type { Media, Notice } from './media.js';
import type { FileAssets, FileSource } from './protocol.js';
import type { ReadSubtitles } from './subtitles.js';

/**
 * Opens a file: by mediabunny and the browser's decoders where they can, else by ffmpeg.wasm where the page has it.
 * @throws UpscaleError `file-invalid` or `file-unsupported`
 */
export async function openMedia(
  source: FileSource,
  assets: FileAssets,
  notice: Notice,
  signal: AbortSignal,
): Promise<Media> {
  if (source.kind === 'blob' && source.blob.size === 0) {
    throw new UpscaleError('file-invalid', 'The file is empty.', { recoverable: false });
  }
  const subtitles = (what: string): ReadSubtitles => {
    const blob = (): Promise<Blob> => blobOf(source, signal);
    return (shiftS) => readSubtitles({ blob, assets, signal, notice, what }, shiftS);
  };
  try {
    return await openBrowserMedia(source, notice, subtitles);
  } catch (thrown) {
    signal.throwIfAborted();
    if (!(thrown instanceof NotForBrowser)) throw thrown;
    if (!assets.ffmpegCore) {
      throw new UpscaleError(
        'file-unsupported',
        `This file cannot be read: ${thrown.message}. Other formats need ffmpeg.wasm: see options.assets.ffmpegCore.`,
        { recoverable: false, cause: thrown },
      );
    }
    return openFfmpegMedia(await blobOf(source, signal), assets, notice, signal);
  }
}

/** A file on a server is fetched whole; the browser keeps what is large on disk. */
async function blobOf(source: FileSource, signal: AbortSignal): Promise<Blob> {
  if (source.kind === 'blob') return source.blob;
  try {
    const response = await fetch(source.url, { signal });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return await response.blob();
  } catch (cause) {
    signal.throwIfAborted();
    throw new UpscaleError('file-invalid', `${source.url} could not be fetched: ${reasonOf(cause)}`, { cause });
  }
}
