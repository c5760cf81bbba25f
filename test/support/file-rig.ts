import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { needFfmpeg } from './ffmpeg.js';

/** The program that users start. */
export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
/** What that program is but for its process. */
const BUILT = new URL('../../dist/command-line.js', import.meta.url).href;

/** A folder for a test file's files, with a blank and letters beyond ASCII in its name. It goes when the tests are over. */
export function newFolder(): string {
  needFfmpeg();
  const folder = mkdtempSync(join(tmpdir(), 'mana file ü–'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What the command line said, and its exit code. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a process wrote, and its exit code: `null` where a signal ended it. */
export interface ProcessOutcome {
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

/** Runs the command line as it is built to its end, in this process. */
export async function run(args: readonly string[], cwd: string): Promise<Outcome> {
  const { commandLine } = (await import(BUILT)) as typeof import('../../src/cli/command-line.js');
  const lines = { stdout: '', stderr: '' };
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const code = await commandLine(args, {
      write: (line) => {
        lines.stdout += `${line}\n`;
      },
      print: (line) => {
        lines.stderr += `${line}\n`;
      },
    });
    return { code, ...lines };
  } finally {
    process.chdir(before);
  }
}

/** Runs a small, quick network on a file, in this process. */
export function upscale(cwd: string, input: string, output: string, ...more: string[]): Promise<Outcome> {
  return run(['file', input, '-o', output, '--model', 'mana-nano-x2', ...more], cwd);
}

/** Starts the command line in a process of its own. */
export function start(args: readonly string[], cwd: string, cli = CLI): ChildProcess {
  return spawn(process.execPath, [cli, ...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** {@link start}s a process that sends itself a signal when so many segments are whole. */
export function startUntil(
  signal: NodeJS.Signals,
  segments: number,
  args: readonly string[],
  cwd: string,
): ChildProcess {
  const hook = new URL('./signal-at-segment.mjs', import.meta.url).href;
  const env = { ...process.env, SIGNAL: signal, SEGMENTS: `${segments}` };
  return spawn(process.execPath, ['--import', hook, CLI, ...args], { cwd, env, stdio: 'pipe' });
}

/** Gives a process its standard input, and waits for its end. */
export async function outcomeOf(child: ChildProcess, input: Uint8Array = new Uint8Array(0)): Promise<ProcessOutcome> {
  const read = async (stream: AsyncIterable<Buffer> | null): Promise<Buffer> => {
    const parts: Buffer[] = [];
    for await (const part of stream ?? []) parts.push(part);
    return Buffer.concat(parts);
  };
  // A process that ends early reads no more of it.
  child.stdin?.on('error', () => undefined).end(input);
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const [stdout, stderr, code] = await Promise.all([read(child.stdout), read(child.stderr), ended]);
  return { code, stdout, stderr: stderr.toString() };
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
