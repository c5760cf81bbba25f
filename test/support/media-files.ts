import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { needFfmpeg } from './ffmpeg.js';

/** A stream, as ffprobe tells of it. */
export type ProbedStream = Readonly<Record<string, unknown>> & {
  readonly codec_type: string;
  readonly codec_name: string;
  readonly width: number;
  readonly height: number;
};

/** A folder for video files that tests make and look at. */
export interface MediaFiles {
  path(name: string): string;
  /** Runs ffmpeg in the folder and gives back the bytes of its last argument. */
  make(...args: string[]): Buffer;
  write(name: string, data: Uint8Array): string;
  streams(name: string): ProbedStream[];
  /** One field, or more, of every packet or frame of a stream. `v` or `a`. */
  each(name: string, what: 'packet' | 'frame', stream: string, ...fields: string[]): string[][];
  /** Hashes of a stream's packets, as they are coded. */
  packetHashes(name: string, stream: string): string[];
  /** All frames of the video in I420, one after another. */
  i420(name: string): Buffer;
}

/** Sets up {@link MediaFiles} for the tests of the calling file. */
export function mediaFiles(): MediaFiles {
  let folder = '';
  beforeAll(() => {
    needFfmpeg();
    folder = mkdtempSync(join(tmpdir(), 'mana-media-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  const probe = (name: string, ...args: string[]): string =>
    execFileSync('ffprobe', ['-v', 'error', ...args, path(name)], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  return {
    path,
    make: (...args) => {
      execFileSync('ffmpeg', ['-v', 'error', '-y', ...args], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
      return readFileSync(path(args.at(-1) as string));
    },
    write: (name, data) => {
      writeFileSync(path(name), data);
      return name;
    },
    streams: (name) => (JSON.parse(probe(name, '-show_streams', '-of', 'json')) as { streams: ProbedStream[] }).streams,
    each: (name, what, stream, ...fields) =>
      probe(name, '-select_streams', stream, '-show_entries', `${what}=${fields.join(',')}`, '-of', 'csv=p=0')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(','))
        // Side data has lines of its own, with nothing on them.
        .filter(([first]) => first?.trim()),
    packetHashes: (name, stream) =>
      execFileSync(
        'ffmpeg',
        ['-v', 'error', '-i', path(name), '-map', `0:${stream}`, '-c', 'copy', '-f', 'framehash', '-'],
        {
          encoding: 'utf8',
          maxBuffer: 2 ** 28,
        },
      )
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.split(',')[5]?.trim() ?? ''),
    i420: (name) =>
      execFileSync(
        'ffmpeg',
        [
          '-v',
          'error',
          '-noautorotate',
          '-i',
          path(name),
          '-map',
          '0:V:0',
          '-fps_mode',
          'passthrough',
          '-pix_fmt',
          'yuv420p',
          '-f',
          'rawvideo',
          '-',
        ],
        { maxBuffer: 2 ** 29 },
      ),
  };
}
