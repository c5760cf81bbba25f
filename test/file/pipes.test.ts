import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { beforeAll, expect, it, vi } from 'vitest';
import { CLI, ffmpeg, newFolder, outcomeOf, picturesOf, probe, start, upscale } from '../support/file-rig.js';
import { samplePsnr } from '../support/pictures.js';

const folder = newFolder();
const at = (name: string): string => join(folder, name);
const FRAMES = 30;
const BYTES = 128 * 96 * 1.5;
const FLAGS = ['--model', 'mana-nano-x2'];

beforeAll(async () => {
  ffmpeg(
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=64x48:rate=30000/1001',
    '-frames:v',
    `${FRAMES}`,
    '-c:v',
    'libx264',
    '-crf',
    '8',
    at('in.mp4'),
  );
  expect((await upscale(folder, 'in.mp4', 'truth.y4m')).code).toBe(0);
});

/** Upscales what comes through standard input. */
const piped = (flags: readonly string[], input: Buffer) =>
  outcomeOf(start(['file', '-', ...flags, ...FLAGS], folder), input);

it('a file of pictures says what they are', () => {
  const { streams } = probe(at('truth.y4m'), '-show_streams', '-count_frames');
  expect(streams[0]).toMatchObject({
    codec_name: 'rawvideo',
    width: 128,
    height: 96,
    pix_fmt: 'yuv420p',
    r_frame_rate: '30000/1001',
    nb_read_frames: `${FRAMES}`,
  });
});

it('stands between two ffmpegs', () => {
  const [node, cli] = [process.execPath, CLI].map((path) => `'${path}'`);
  const line = `ffmpeg -v error -i in.mp4 -f yuv4mpegpipe - | ${node} ${cli} file - -o - ${FLAGS.join(' ')} | ffmpeg -v error -y -i - -c:v ffv1 out.mkv`;
  execFileSync('bash', ['-c', `set -o pipefail; ${line}`], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const truth = picturesOf(at('truth.y4m'), BYTES);
  const made = picturesOf(at('out.mkv'), BYTES);
  expect(made.length).toBe(FRAMES);
  for (const [i, picture] of made.entries())
    expect(samplePsnr(picture, truth[i]!), `frame ${i}`).toBe(Number.POSITIVE_INFINITY);
});

it('nothing but pictures is on standard output, and JSON is on the other', async () => {
  const input = ffmpeg('-i', at('in.mp4'), '-f', 'yuv4mpegpipe', '-');
  const { code, stdout, stderr } = await piped(['-o', '-', '--json'], input);
  expect(code).toBe(0);
  const header = stdout.indexOf('\n') + 1;
  expect(stdout.subarray(0, header).toString()).toMatch(/^YUV4MPEG2 W128 H96 F30000:1001 /);
  expect(stdout.length).toBe(header + FRAMES * ('FRAME\n'.length + BYTES));
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.at(-1)).toMatchObject({ type: 'done', frames: FRAMES, width: 128, height: 96 });
});

it('video from standard input becomes a file', async () => {
  const input = ffmpeg('-i', at('in.mp4'), '-c', 'copy', '-f', 'matroska', '-');
  const { code, stderr } = await piped(['-o', 'piped.mp4'], input);
  expect([code, stderr]).toEqual([0, expect.stringContaining(`128x96, ${FRAMES} frames`)]);
  expect(picturesOf(at('piped.mp4'), BYTES).length).toBe(FRAMES);
  const nothing = await piped(['-o', 'x.mp4'], Buffer.alloc(0));
  expect([nothing.code, nothing.stderr]).toEqual([
    1,
    expect.stringContaining('Standard input cannot be read as video'),
  ]);
});

it('a reader who leaves ends it, cleanly', async () => {
  ffmpeg('-stream_loop', '30', '-i', at('in.mp4'), '-c', 'copy', at('long.mp4'));
  const child = start(['file', 'long.mp4', '-o', '-', ...FLAGS], folder);
  let said = '';
  child.stderr?.on('data', (data) => {
    said += data;
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  child.stdout?.destroy();
  expect(await closed).toBe(0);
  expect(said).toBe('');
});

it('SIGTERM ends a pipe that nobody feeds any more', async () => {
  const child = start(['file', '-', '-o', '-', ...FLAGS], folder);
  // It may end before it has read everything.
  child.stdin?.on('error', () => undefined);
  child.stdin?.write(readFileSync(at('truth.y4m')));
  // What it makes of that is read, so that it waits for more and for nothing else.
  const closed = new Promise((resolve) => child.on('close', resolve));
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  child.kill('SIGTERM');
  expect(await closed).toBe(143);
});

it('a second signal ends it, though the reader never reads', async () => {
  ffmpeg('-stream_loop', '30', '-i', at('in.mp4'), '-vf', 'scale=320:240', '-preset', 'ultrafast', at('large.mp4'));
  const child = start(['file', 'large.mp4', '-o', '-', ...FLAGS], folder);
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
  // Part of the first picture is there. The pipe does not hold the rest, so the next write waits for a reader.
  const stdout = child.stdout as Readable;
  stdout.on('readable', () => undefined);
  await vi.waitUntil(() => stdout.readableLength >= stdout.readableHighWaterMark, { timeout: 200_000 });
  // Two signals that come close together are one to the system.
  const timer = setInterval(() => child.kill('SIGINT'), 300);
  expect(await ended).toBe('SIGINT');
  clearInterval(timer);
});
