import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { extname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Input } from './input.js';
import type { Span } from './mux.js';

const execute = promisify(execFile);

/** FFmpeg's description of a file comes by messages from another thread: this long after the call at most. */
const MESSAGES_MS = 100;

/** Whether a file has chapters. `node-av` has no word for them: it is read in FFmpeg's description of the file. */
export async function hasChapters({ av: { lib, constants: c }, context }: Input): Promise<boolean> {
  let text = '';
  lib.Log.setLevel(c.AV_LOG_INFO);
  lib.Log.setCallback((_, message) => {
    text += message;
  });
  try {
    context.dumpFormat(0, 'input', false);
    for (const endMs = performance.now() + MESSAGES_MS; !/Stream #/.test(text) && performance.now() < endMs; ) {
      await wait(5);
    }
  } finally {
    lib.Log.resetCallback();
    lib.Log.setLevel(c.AV_LOG_QUIET);
  }
  return /Chapters:\s*Chapter #/.test(text);
}

/**
 * Gives an output its input's chapters, by FFmpeg's own program: `node-av` cannot.
 * @param path of the output, which is replaced
 * @returns why there are none; `undefined` where there are
 */
export async function copyChapters(
  path: string,
  input: string,
  { fromUs, toUs }: Span,
  signal: AbortSignal,
): Promise<string | undefined> {
  const next = `${path.slice(0, -extname(path).length)}-chapters${extname(path)}`;
  // Without an offset of their own, -copyts keeps the chapters' times as they are.
  const start = fromUs === undefined ? [] : ['-itsoffset', String(-fromUs / 1e6)];
  const end = toUs === undefined ? [] : ['-t', String((toUs - (fromUs ?? 0)) / 1e6)];
  const args = ['-v', 'error', '-nostdin', '-y', '-copyts', '-i', `file:${path}`, ...start, '-i', `file:${input}`];
  const copy = ['-map', '0', '-map_metadata', '0', '-map_chapters', '1', '-c', 'copy', ...end, `file:${next}`];
  try {
    await execute(await program(), [...args, ...copy], { signal });
    await rename(next, path);
    return undefined;
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return missing
      ? 'The chapters are not kept, because the program ffmpeg is not installed, which copies them.'
      : 'The chapters are not kept: ffmpeg could not copy them.';
  }
}

/** The program that `node-av` may have brought, or the one that is installed. */
async function program(): Promise<string> {
  const { ffmpegPath, isFfmpegAvailable } = await import('node-av/ffmpeg');
  return isFfmpegAvailable() ? ffmpegPath() : 'ffmpeg';
}
