import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { needFfmpeg } from './ffmpeg.js';

/** The command line as it is built. */
export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** A folder for a test file's files, with a blank and letters beyond ASCII in its name. It goes when the tests are over. */
export function newFolder(): string {
  needFfmpeg();
  const folder = mkdtempSync(join(tmpdir(), 'mana file ü–'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What a program left behind. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** FFmpeg's own program: makes fixtures, and says what outputs are. */
export function ffmpeg(...args: string[]): Buffer {
  return execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], { maxBuffer: 2 ** 30 });
}

/** `ffprobe` as JSON. */
export function probe(path: string, ...args: string[]): Probed {
  const text = execFileSync('ffprobe', ['-v', 'error', '-of', 'json', ...args, path], { maxBuffer: 2 ** 28 });
  return JSON.parse(text.toString()) as Probed;
}

/** What {@link probe} answers, as far as tests ask. */
export interface Probed {
  readonly streams: readonly (Record<string, unknown> & {
    readonly index: number;
    readonly codec_type: string;
    readonly codec_name: string;
    readonly tags?: Record<string, string>;
    readonly disposition?: Record<string, number>;
    readonly side_data_list?: readonly Record<string, unknown>[];
  })[];
  readonly packets: readonly { readonly pts_time: string; readonly data_hash: string; readonly stream_index: number }[];
  readonly frames: readonly { readonly pts_time: string }[];
  readonly chapters: readonly {
    readonly start_time: string;
    readonly end_time: string;
    readonly tags?: { title?: string };
  }[];
  readonly format: { readonly tags?: Record<string, string>; readonly duration: string };
}

/** Starts the command line. */
export function start(args: readonly string[], cwd: string): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs the command line to its end. */
export function run(args: readonly string[], cwd: string, input?: Buffer, cli = CLI, timeout = 110_000): Outcome {
  const options = { cwd, maxBuffer: 2 ** 30, timeout, ...(input ? { input } : {}) };
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], options);
  return { code: status, stdout, stderr: stderr.toString() };
}

/** Runs a small, quick network on a file. */
export function upscale(cwd: string, input: string, output: string, ...more: string[]): Outcome {
  return run(['file', input, '-o', output, '--model', 'mana-nano-x2', ...more], cwd);
}

/** All pictures of a file as 4:2:0 of its own range, decoded by FFmpeg's program, none dropped or repeated. */
export function picturesOf(path: string, bytes: number): Buffer[] {
  const own = probe(path, '-select_streams', 'v:0', '-show_entries', 'stream=pix_fmt').streams[0]?.['pix_fmt'];
  const format = own === 'yuvj420p' ? 'yuvj420p' : 'yuv420p';
  const all = ffmpeg('-i', path, '-map', '0:v:0', '-vsync', 'passthrough', '-pix_fmt', format, '-f', 'rawvideo', '-');
  return Array.from({ length: all.length / bytes }, (_, i) => all.subarray(i * bytes, (i + 1) * bytes));
}

/** Times of a stream's packets in seconds, in order of presentation. */
export function timesOf(path: string, stream: string): number[] {
  const { packets } = probe(path, '-select_streams', stream, '-show_entries', 'packet=pts_time');
  return packets.map(({ pts_time }) => Number(pts_time)).sort((a, b) => a - b);
}

/** Hashes of a stream's packets. */
export function hashesOf(path: string, stream: string): string[] {
  const { packets } = probe(path, '-select_streams', stream, '-show_packets', '-show_data_hash', 'md5');
  return packets.map(({ data_hash }) => data_hash);
}
