import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import {
  CLI,
  ffmpeg,
  newFolder,
  outcomeOf,
  picturesOf,
  start,
  startUntil,
  timesOf,
  upscale,
} from '../support/file-rig.js';
import { samplePsnr } from '../support/pictures.js';

const folder = newFolder();
const at = (name: string): string => join(folder, name);
const PICTURE = new URL('../fixtures/picture.jpg', import.meta.url).pathname;
const BYTES = 128 * 96 * 1.5;
const FRAMES = 50;
const SEGMENT = ['--segment-frames', '20'];

beforeAll(() => {
  const pan = `crop=64:48:x=100+n*2:y=100+n,format=yuv420p`;
  const sound = ['-f', 'lavfi', '-i', 'sine=duration=2', '-c:a', 'aac', '-shortest'];
  ffmpeg(
    '-loop',
    '1',
    '-i',
    PICTURE,
    ...sound,
    '-vf',
    pan,
    '-r',
    '25',
    '-frames:v',
    `${FRAMES}`,
    '-c:v',
    'libx264',
    '-crf',
    '12',
    at('in.mp4'),
  );
});

const RUN = ['--model', 'mana-live-x2', ...SEGMENT];

/** A run that ends itself by a signal when so many segments are whole. @returns its exit code, `null` by SIGKILL, and what it said */
async function cut(
  output: string,
  signal: NodeJS.Signals,
  segments = 1,
): Promise<{ code: number | null; said: string }> {
  const child = startUntil(signal, segments, ['file', 'in.mp4', '-o', output, ...RUN], folder);
  const { code, stderr } = await outcomeOf(child);
  return { code, said: stderr };
}

/** A run that stops when its first segment is whole, and goes on when it is told to. */
async function stopped(output: string, ...more: string[]) {
  const child = startUntil('SIGSTOP', 1, ['file', 'in.mp4', '-o', output, ...RUN, ...more], folder);
  const outcome = outcomeOf(child);
  const status = () => readFileSync(`/proc/${child.pid}/status`, 'utf8');
  await vi.waitUntil(() => /^State:\s+T/m.test(status()), { timeout: 200_000 });
  const goOn = () => {
    child.kill('SIGCONT');
    return outcome;
  };
  return { pid: child.pid, goOn };
}

/** Like {@link upscale}, by the network that runs that were cut were made by. */
const again = (output: string, ...more: string[]) => upscale(folder, 'in.mp4', output, ...RUN, ...more);

it('a run that was killed goes on, and its output is that of one that was not, bit by bit', async () => {
  expect((await again('live.mp4')).code).toBe(0);
  expect((await cut('killed.mp4', 'SIGKILL', 2)).code).toBe(null);
  expect(existsSync(at('killed.mp4'))).toBe(false);
  const before = await again('killed.mp4');
  expect([before.code, before.stderr]).toEqual([1, expect.stringContaining('Go on with it by --resume')]);
  const { code, stdout } = await again('killed.mp4', '--resume', '--json');
  expect(code).toBe(0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; kept?: number; frames?: number });
  expect(lines.find(({ type }) => type === 'progress')?.kept).toBeGreaterThanOrEqual(40);
  expect(lines.at(-1)).toMatchObject({ type: 'done', frames: FRAMES });
  const [resumed, whole] = [picturesOf(at('killed.mp4'), BYTES), picturesOf(at('live.mp4'), BYTES)];
  expect(resumed.length).toBe(FRAMES);
  for (const [i, picture] of resumed.entries()) expect(picture.equals(whole[i]!), `frame ${i}`).toBe(true);
  expect(timesOf(at('killed.mp4'), 'v:0')).toEqual(timesOf(at('in.mp4'), 'v:0'));
  expect(timesOf(at('killed.mp4'), 'a:0')).toEqual(timesOf(at('in.mp4'), 'a:0'));
  expect(existsSync(at('killed.mp4.parts'))).toBe(false);
});

it('segments show what one run without them shows', async () => {
  for (const model of ['mana-nano-x2', 'mana-live-x2']) {
    const flags = ['--overwrite', '--model', model];
    expect((await upscale(folder, 'in.mp4', 'through.y4m', ...flags)).code).toBe(0);
    expect((await upscale(folder, 'in.mp4', 'lossless.mp4', ...flags, '--crf', '0', ...SEGMENT)).code).toBe(0);
    const through = picturesOf(at('through.y4m'), BYTES);
    for (const [i, picture] of picturesOf(at('lossless.mp4'), BYTES).entries()) {
      expect(samplePsnr(picture, through[i]!), `${model}, frame ${i}`).toBeGreaterThan(70);
    }
  }
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s keeps whole segments, says so, and leaves nothing under the output’s name',
  async (signal, expected) => {
    const output = `${signal}.mp4`;
    const { code, said } = await cut(output, signal);
    expect(code).toBe(expected);
    expect(said).toMatch(
      new RegExp(`Stopped. \\d0 frames are kept in ${output}.parts: the same command with --resume`),
    );
    expect(readdirSync(folder).filter((name) => name.startsWith(signal))).toEqual([`${output}.parts`]);
    const { segments } = JSON.parse(readFileSync(at(`${output}.parts/state.json`), 'utf8')) as {
      segments: { file: string }[];
    };
    expect(readdirSync(at(`${output}.parts`)).sort()).toEqual([...segments.map(({ file }) => file), 'state.json']);
    expect((await again(output, '--resume')).code).toBe(0);
    expect(timesOf(at(output), 'v:0').length).toBe(FRAMES);
  },
);

it('with no segment whole nothing is left at all', async () => {
  ffmpeg('-stream_loop', '200', '-i', at('in.mp4'), '-c', 'copy', at('endless.mp4'));
  const flags = ['--model', 'mana-live-x2', '--segment-frames', '100000'];
  const child = start(['file', 'endless.mp4', '-o', 'none.mp4', ...flags], folder);
  const outcome = outcomeOf(child);
  await vi.waitUntil(() => existsSync(at('none.mp4.parts/000000.mp4')), { timeout: 200_000 });
  child.kill('SIGINT');
  expect((await outcome).code).toBe(130);
  expect(readdirSync(folder).filter((name) => name.startsWith('none'))).toEqual([]);
});

it('what was begun with other options, another input, or is broken, is not gone on with', async () => {
  await cut('other.mp4', 'SIGKILL');
  const refused = async (reason: string, ...more: string[]) => {
    const { code, stderr } = await again('other.mp4', '--resume', ...more);
    expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining(reason)]);
    expect(code).toBeGreaterThan(0);
  };
  await refused('was begun with another input or other options', '--crf', '30');
  const stats = [new Date(), new Date(1e12)] as const;
  utimesSync(at('in.mp4'), ...stats);
  await refused('was begun with another input or other options');
  const state = readFileSync(at('other.mp4.parts/state.json'), 'utf8');
  for (const broken of [
    '',
    '{',
    '[]',
    '{"format":1}',
    '{"format":2,"segments":[]}',
    state.replaceAll(/"frames": \d+/g, '"frames": 0'),
    state.replaceAll('000000', '../../in'),
  ]) {
    writeFileSync(at('other.mp4.parts/state.json'), broken);
    await refused('cannot be gone on with');
  }
  writeFileSync(at('other.mp4.parts/state.json'), state);
  writeFileSync(at('other.mp4.parts/000000.mp4'), 'short');
  await refused('is not what it was');
  expect((await again('other.mp4', '--overwrite')).code).toBe(0);
  expect(existsSync(at('other.mp4.parts'))).toBe(false);
});

it('a folder that is not ours is not touched', async () => {
  const mine = at('mine.mp4.parts');
  mkdirSync(mine);
  writeFileSync(join(mine, 'diary.txt'), 'mine');
  const { code, stderr } = await upscale(folder, 'in.mp4', 'mine.mp4', '--overwrite');
  expect([code, stderr]).toEqual([1, expect.stringContaining('holds what is not ours')]);
  expect(readdirSync(mine)).toEqual(['diary.txt']);
});

it('two runs do not work on one output', async () => {
  const first = await stopped('shared.mp4');
  for (const how of ['--resume', '--overwrite']) {
    const { code, stderr } = await again('shared.mp4', how);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`shared.mp4 is being made by process ${first.pid}.`)]);
  }
  expect((await first.goOn()).code).toBe(0);
  expect(timesOf(at('shared.mp4'), 'v:0').length).toBe(FRAMES);
});

it('an output that has come to be there meanwhile, or an input that has changed, is seen', async () => {
  for (const [output, change, sentence] of [
    ['taken.mp4', () => writeFileSync(at('taken.mp4'), 'mine'), 'has come to be there meanwhile'],
    ['moved.mp4', () => utimesSync(at('in.mp4'), new Date(), new Date()), 'was changed while it was upscaled'],
  ] as const) {
    const run = await stopped(output, '--model', 'mana-nano-x2');
    change();
    const { code, stderr } = await run.goOn();
    expect([code, stderr]).toEqual([1, expect.stringContaining(sentence)]);
  }
  expect(readFileSync(at('taken.mp4'), 'utf8')).toBe('mine');
});

it('parts that were moved to another disk are gone on with', async () => {
  await cut('linked.mp4', 'SIGKILL');
  const shared = mkdtempSync('/dev/shm/mana-parts-');
  try {
    cpSync(at('linked.mp4.parts'), shared, { recursive: true });
    rmSync(at('linked.mp4.parts'), { recursive: true });
    symlinkSync(shared, at('linked.mp4.parts'));
    expect((await again('linked.mp4', '--resume')).code).toBe(0);
  } finally {
    rmSync(shared, { recursive: true, force: true });
  }
  expect(timesOf(at('linked.mp4'), 'v:0').length).toBe(FRAMES);
  expect(readdirSync(folder).filter((name) => name.startsWith('linked.mp4.'))).toEqual([]);
});

it('a disk that is full is said, and what is whole is gone on with', () => {
  const line = (blocks: string, more: string) =>
    `ulimit -f ${blocks}; exec '${process.execPath}' '${CLI}' file in.mp4 -o full.mp4 --model mana-nano-x2 --crf 0 --segment-frames 20 ${more}`;
  const bash = (script: string) => spawnSync('bash', ['-c', script], { cwd: folder });
  const full = bash(line('100', ''));
  expect([full.status, full.stderr.toString()]).toEqual([1, expect.stringContaining('cannot be written')]);
  expect(existsSync(at('full.mp4'))).toBe(false);
  expect(existsSync(at('full.mp4.parts/state.json'))).toBe(true);
  expect(bash(line('unlimited', '--resume')).status).toBe(0);
  expect(timesOf(at('full.mp4'), 'v:0')).toEqual(timesOf(at('in.mp4'), 'v:0'));
});
