import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { FileError, type FileErrorCode } from './file-error.js';

/**
 * FFmpeg's libraries, by the optional package `node-av`. Its messages are silenced for the whole process: what happens
 * is told by codes.
 * @throws UpscaleError `backend-unavailable` with a sentence that says what to install
 */
export async function loadFfmpeg(): Promise<NodeAv> {
  try {
    const [lib, constants] = await Promise.all([import('node-av/lib'), import('node-av/constants')]);
    lib.Log.setLevel(constants.AV_LOG_QUIET);
    return { lib, constants };
  } catch (cause) {
    const missing = (cause as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
    const sentence = missing
      ? 'Files cannot be read because the package node-av is not installed: run npm install node-av.'
      : `Files cannot be read because the package node-av does not load here (${reasonOf(cause)}): try npm install node-av again.`;
    throw new UpscaleError('backend-unavailable', sentence, { cause, recoverable: false });
  }
}

/** What FFmpeg says of one of its error codes. */
export function saysOf({ lib }: NodeAv, code: number): string {
  return new lib.FFmpegError(code).message;
}

/** Checks what FFmpeg has answered. @throws FileError with the sentence and FFmpeg's own reason */
export function succeed(av: NodeAv, code: number, failed: FileErrorCode, sentence: string): number {
  if (code >= 0) return code;
  if (new av.lib.FFmpegError(code).isEPIPE) {
    throw new FileError('closed', 'Whoever reads the output has closed it.');
  }
  throw new FileError(failed, `${sentence}: ${saysOf(av, code)}.`);
}
