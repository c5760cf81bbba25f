import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ffmpeg, newFolder, outcomeOf, picturesOf, probe, run, start, timesOf, upscale } from '../support/file-rig.js';
import { samplePsnr } from '../support/pictures.js';

const folder = newFolder();
const at = (name: string): string => join(folder, name);
const FRAMES = 15;
const PICTURES = ['-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25:duration=0.6'];

beforeAll(() => {
  ffmpeg(...PICTURES, '-c:v', 'libx264', '-g', '5', at('good.mp4'));
});

/** The outcome of an input, in a line: exit code, and what is said. */
async function outcome(input: string, output: string, ...more: string[]): Promise<[code: number, said: string]> {
  const { code, stderr } = await upscale(folder, input, output, ...more);
  return [code, stderr.trim()];
}

it('what cannot be read is said in a sentence', async () => {
  writeFileSync(at('empty.mp4'), '');
  writeFileSync(at('words.mp4'), 'These are words, not video. '.repeat(100));
  ffmpeg('-f', 'lavfi', '-i', 'sine=duration=0.2', '-c:a', 'aac', at('sound.m4a'));
  ffmpeg(
    '-i',
    at('sound.m4a'),
    ...PICTURES,
    '-map',
    '0',
    '-map',
    '1',
    '-frames:v',
    '1',
    '-c:v',
    'mjpeg',
    '-disposition:v',
    'attached_pic',
    at('cover.mp4'),
  );
  mkdirSync(at('empty folder'));
  expect(await outcome('nowhere.mp4', 'x.mp4')).toEqual([1, expect.stringContaining('nowhere.mp4 does not exist.')]);
  expect(await outcome('empty.mp4', 'x.mp4')).toEqual([1, expect.stringContaining('empty.mp4 is empty.')]);
  expect(await outcome('words.mp4', 'x.mp4')).toEqual([
    1,
    expect.stringContaining('words.mp4 cannot be read as video: '),
  ]);
  expect(await outcome('sound.m4a', 'x.mp4')).toEqual([1, expect.stringContaining('sound.m4a holds no video.')]);
  expect(await outcome('cover.mp4', 'x.mp4')).toEqual([1, expect.stringContaining('cover.mp4 holds no video.')]);
  expect(await outcome('empty folder', 'out/')).toEqual([
    64,
    expect.stringContaining('There is no video in empty folder.'),
  ]);
  expect(readdirSync(folder).filter((name) => name.startsWith('x.mp4'))).toEqual([]);
});

it('an output that is in the way, is the input, or cannot be written, is said before any work', async () => {
  copyFileSync(at('good.mp4'), at('there.mp4'));
  symlinkSync(at('good.mp4'), at('link.mp4'));
  expect(await outcome('good.mp4', 'there.mp4')).toEqual([1, expect.stringContaining('give --overwrite')]);
  expect(await outcome('good.mp4', 'good.mp4', '--overwrite')).toEqual([
    64,
    expect.stringContaining('is the input itself'),
  ]);
  expect(await outcome('good.mp4', 'link.mp4', '--overwrite')).toEqual([
    64,
    expect.stringContaining('is the input itself'),
  ]);
  expect(await outcome('good.mp4', 'no/where.mp4')).toEqual([1, expect.stringContaining('does not exist.')]);
  expect(await outcome('good.mp4', '/proc/x.mp4')).toEqual([
    1,
    expect.stringContaining('/proc/x.mp4 cannot be written: '),
  ]);
  expect(await outcome('good.mp4', '/proc/x.y4m')).toEqual([1, expect.stringContaining('/proc/x.y4m')]);
  expect(await outcome('good.mp4', 'x.nothing')).toEqual([64, expect.stringContaining('tells no container')]);
  expect(await outcome('good.mp4', 'x.webm', '--codec', 'h264')).toEqual([
    64,
    expect.stringContaining('cannot hold h264 video'),
  ]);
  expect(readFileSync(at('there.mp4')).equals(readFileSync(at('good.mp4')))).toBe(true);
});

it.each([
  [['--scale', '3'], '--scale must be 2 or 4'],
  [['--scale', 'two'], '--scale must be a number'],
  [['--lookahead', '4'], '--lookahead must be a number from 0 to 3'],
  [['--backend', 'abacus'], '--backend must be'],
  [['--model', 'mana-big-x2'], 'There is no model mana-big-x2'],
  [['--codec', 'mpeg1'], '--codec must be one of h264, hevc, vp9, av1'],
  [['--crf', '99'], '--crf must be a number from 0 to 63'],
  [['--preset', 'hasty'], 'does not open with preset hasty'],
  [['--from', '1m'], '--from must be seconds or'],
  [['--from', '2', '--to', '1'], '--to must be later than --from'],
  [['--threads', '0'], '--threads must be a number from 1'],
  [['--rotate'], 'unknown option'],
] as const)('%j is refused', async (flags, sentence) => {
  const { code, stderr } = await run(['file', 'good.mp4', '-o', 'flags.mp4', ...flags], folder);
  expect([code, stderr]).toEqual([64, expect.stringContaining(sentence)]);
  expect(readdirSync(folder).filter((name) => name.startsWith('flags'))).toEqual([]);
});

it('a file that is cut off is upscaled as far as it goes, and that is said', async () => {
  ffmpeg(
    ...PICTURES,
    '-vf',
    'loop=4:15',
    '-c:v',
    'libx264',
    '-g',
    '5',
    '-crf',
    '12',
    '-movflags',
    '+faststart',
    at('long.mp4'),
  );
  ffmpeg('-i', at('long.mp4'), '-c', 'copy', at('long.mkv'));
  for (const name of ['long.mp4', 'long.mkv']) {
    const all = readFileSync(at(name));
    writeFileSync(at(`cut-${name}`), all.subarray(0, Math.round(all.length / 2)));
    const [code, said] = await outcome(`cut-${name}`, `cut-out-${name}`);
    expect([code, said]).toEqual([2, expect.stringContaining('The file ends before it says it does')]);
    const frames = timesOf(at(`cut-out-${name}`), 'v:0').length;
    expect(frames).toBeGreaterThan(20);
    expect(frames).toBeLessThan(60);
  }
  ffmpeg('-i', at('long.mp4'), '-c', 'copy', at('index last.mp4'));
  const all = readFileSync(at('index last.mp4'));
  writeFileSync(at('no index.mp4'), all.subarray(0, Math.round(all.length / 2)));
  expect(await outcome('no index.mp4', 'x.mp4')).toEqual([
    1,
    expect.stringContaining('no index.mp4 cannot be read as video'),
  ]);
});

it('broken packets are gone past, counted and told', async () => {
  ffmpeg(...PICTURES, '-c:v', 'libx264', '-g', '5', '-qp', '2', at('rich.mp4'));
  const all = readFileSync(at('rich.mp4'));
  const data = all.indexOf('mdat');
  const length = all.readUInt32BE(data - 4);
  for (let i = 1; i < 60; i++) all[data + Math.round((i * length) / 61)] = (i * 97) & 255;
  writeFileSync(at('broken.mp4'), all);
  const { code, stdout } = await upscale(folder, 'broken.mp4', 'broken-out.mp4', '--json');
  expect(code).toBe(2);
  const done = JSON.parse(stdout.toString().trim().split('\n').at(-1)!) as {
    type: string;
    damage: Record<string, number>;
    frames: number;
  };
  expect(done.type).toBe('done');
  expect(done.damage['packets']! + done.damage['pictures']!).toBeGreaterThan(0);
  expect(timesOf(at('broken-out.mp4'), 'v:0').length).toBe(done.frames);
  expect(done.frames).toBeGreaterThan(5);
});

it('a broken packet near the end costs none of those after it, however many threads decode', async () => {
  ffmpeg(...PICTURES, '-c:v', 'libx264', '-g', '1', '-bf', '0', at('intra.mkv'));
  const { packets } = probe(at('intra.mkv'), '-show_entries', 'packet=pos,size') as unknown as {
    packets: { pos: string; size: string }[];
  };
  const { pos, size } = packets.at(-5)!;
  const all = readFileSync(at('intra.mkv'));
  all.fill(0, Number(pos) + 12, Number(pos) + Number(size));
  writeFileSync(at('held.mkv'), all);
  const [code, said] = await outcome('held.mkv', 'held-out.mkv', '--threads', '8');
  expect([code, said]).toEqual([2, expect.stringContaining('1 packet of the file is broken.')]);
  const times = timesOf(at('intra.mkv'), 'v:0');
  expect(timesOf(at('held-out.mkv'), 'v:0')).toEqual([...times.slice(0, -5), ...times.slice(-4)]);
});

it('a named pipe is not waited for', async () => {
  execFileSync('mkfifo', [at('pipe.mkv')]);
  expect(await outcome('pipe.mkv', 'x.mp4')).toEqual([1, expect.stringContaining('give it as standard input')]);
});

it('two inputs that would have one output are refused, and one that is named twice is done once', async () => {
  mkdirSync(at('twins'));
  for (const name of ['twins/good.mp4', 'good.avi', 'good.wmv']) copyFileSync(at('good.mp4'), at(name));
  for (const [a, b] of [
    ['good.mp4', 'twins/good.mp4'],
    ['good.avi', 'good.wmv'],
  ] as const) {
    const { code, stderr } = await run(['file', a, b, '-o', 'same/'], folder);
    expect([code, stderr]).toEqual([64, expect.stringContaining(`${a} and ${b} would both become same/good.`)]);
  }
  const { code } = await run(['file', 'good.mp4', './good.mp4', '-o', 'same/', '--model', 'mana-nano-x2'], folder);
  expect([code, readdirSync(at('same'))]).toEqual([0, ['good.mp4']]);
});

it('a dozen files end without a word of warning', async () => {
  mkdirSync(at('dozen'));
  for (let i = 0; i < 12; i++) copyFileSync(at('good.mp4'), at(`dozen/${i}.mp4`));
  // Node's warnings are a process's own.
  const child = start(['file', 'dozen', '-o', 'dozen-out/', '--model', 'mana-nano-x2', '--json'], folder);
  const { code, stderr } = await outcomeOf(child);
  expect([code, stderr]).toEqual([0, '']);
});

it('sizes of all kinds come out even, and twice or four times as large', async () => {
  for (const [width, height] of [
    [33, 17],
    [2, 2],
    [65, 48],
    [16, 130],
  ] as const) {
    const size = `${width}x${height}`;
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      `testsrc2=size=${Math.max(width, 16)}x${Math.max(height, 16)}:rate=25:duration=0.2`,
      '-vf',
      `scale=${width}:${height},format=yuv444p`,
      '-c:v',
      'ffv1',
      at(`${size}.mkv`),
    );
    for (const scale of [2, 4]) {
      const flags = ['--model', `mana-nano-x${scale}`, '--codec', 'vp9'];
      expect((await outcome(`${size}.mkv`, `${size}-${scale}.mkv`, ...flags))[0], `${size} x${scale}`).toBe(0);
      const { streams } = probe(at(`${size}-${scale}.mkv`), '-show_streams');
      expect(streams[0]).toMatchObject({ width: width * scale, height: height * scale, pix_fmt: 'yuv420p' });
    }
  }
  expect(await outcome('good.mp4', 'x.mp4', '--max-pixels', '3000')).toEqual([
    1,
    expect.stringContaining('good.mp4 is 64x48, more than 3000 pixels'),
  ]);
});

it('HDR is refused; more bits are dithered, and that is said', async () => {
  const ten = ['-pix_fmt', 'yuv420p10le', '-c:v', 'libx265', '-x265-params', 'log-level=none'];
  for (const [name, transfer] of [
    ['pq', 'smpte2084'],
    ['hlg', 'arib-std-b67'],
  ] as const) {
    const tags = ['-color_primaries', 'bt2020', '-color_trc', transfer, '-colorspace', 'bt2020nc'];
    ffmpeg(...PICTURES, ...ten, ...tags, at(`${name}.mp4`));
    expect(await outcome(`${name}.mp4`, 'x.mp4')).toEqual([
      1,
      expect.stringContaining('This is HDR video (PQ or HLG)'),
    ]);
  }
  ffmpeg(...PICTURES, ...ten, '-crf', '4', at('ten.mp4'));
  const [code, said] = await outcome('ten.mp4', 'ten.y4m');
  expect([code, said]).toEqual([
    0,
    expect.stringContaining('more than 8 bits a sample (yuv420p10le): it is dithered to 8'),
  ]);
  ffmpeg('-i', at('ten.mp4'), '-pix_fmt', 'yuv420p', '-c:v', 'ffv1', at('eight.mkv'));
  expect((await outcome('eight.mkv', 'eight.y4m'))[0]).toBe(0);
  const [a, b] = [picturesOf(at('ten.y4m'), 128 * 96 * 1.5), picturesOf(at('eight.y4m'), 128 * 96 * 1.5)];
  expect(a.length).toBe(FRAMES);
  for (const [i, picture] of a.entries()) expect(samplePsnr(picture, b[i]!), `frame ${i}`).toBeGreaterThan(40);
});

it('a size that changes on the way is fitted into the first one', async () => {
  ffmpeg(...PICTURES, '-c:v', 'libx264', at('a.ts'));
  const wide = ['-f', 'lavfi', '-i', 'testsrc2=size=96x48:rate=25:duration=0.4'];
  ffmpeg(...wide, '-c:v', 'libx264', at('b.ts'));
  writeFileSync(at('list.txt'), "file 'a.ts'\nfile 'b.ts'\n");
  ffmpeg('-f', 'concat', '-i', at('list.txt'), '-c', 'copy', at('ab.ts'));
  const [code, said] = await outcome('ab.ts', 'ab.mkv', '--crf', '0');
  expect([code, said]).toEqual([0, expect.stringContaining('128x96, 25 frames')]);
  const pictures = picturesOf(at('ab.mkv'), 128 * 96 * 1.5);
  expect(pictures.length).toBe(25);
  // 96x48 becomes 192x96 and is shown as 128x64, between bars of 16 lines.
  const luma = (picture: Buffer, y: number): number =>
    picture.subarray(y * 128, (y + 1) * 128).reduce((sum, v) => sum + v, 0) / 128;
  for (const picture of pictures.slice(15)) {
    for (const y of [0, 15, 80, 95]) expect(luma(picture, y)).toBe(16);
    for (const y of [17, 40, 78]) expect(luma(picture, y)).toBeGreaterThan(30);
  }
  for (const picture of pictures.slice(0, 15)) expect(luma(picture, 0)).toBeGreaterThan(30);
});

it('a folder is done but for its bad file, which is named at the end', async () => {
  mkdirSync(at('in'));
  mkdirSync(at('in/deeper'));
  for (const name of ['one ö.mp4', 'two.mp4']) copyFileSync(at('good.mp4'), at(`in/${name}`));
  ffmpeg('-i', at('good.mp4'), '-c', 'copy', at('in/three.avi'));
  writeFileSync(at('in/bad.mp4'), 'no video');
  writeFileSync(at('in/words.txt'), 'no video');
  const [code, said] = await outcome('in', 'out/');
  expect(code).toBe(1);
  expect(readdirSync(at('out')).sort()).toEqual(['one ö.mp4', 'three.mkv', 'two.mp4']);
  expect(said.split('\n').at(-1)).toContain('1 of 4 files failed: in/bad.mp4');
  for (const name of readdirSync(at('out'))) expect(timesOf(at(`out/${name}`), 'v:0').length).toBe(FRAMES);
  rmSync(at('out'), { recursive: true });
  expect((await outcome('in/{one*,two}.mp4', 'out/'))[0]).toBe(0);
  expect(readdirSync(at('out')).sort()).toEqual(['one ö.mp4', 'two.mp4']);
  expect(await outcome('in/*.mp4', 'one.mp4')).toEqual([64, expect.stringContaining('need a folder as their output')]);
});

it('without the package that reads files one sentence says what to install', async () => {
  mkdirSync(at('alone/dist'), { recursive: true });
  copyFileSync(new URL('../../dist/cli.js', import.meta.url), at('alone/dist/cli.js'));
  copyFileSync(new URL('../../dist/command-line.js', import.meta.url), at('alone/dist/command-line.js'));
  const packages = new URL('../../node_modules/', import.meta.url).pathname;
  mkdirSync(at('alone/node_modules'));
  for (const name of readdirSync(packages))
    if (name !== 'node-av') symlinkSync(join(packages, name), at(`alone/node_modules/${name}`));
  copyFileSync(new URL('../../package.json', import.meta.url), at('alone/package.json'));
  const { code, stderr } = await outcomeOf(
    start(['file', at('good.mp4'), '-o', at('x.mp4')], folder, at('alone/dist/cli.js')),
  );
  expect([code, stderr.trim()]).toEqual([
    1,
    'mana-upscale: Files cannot be read because the package node-av is not installed: run npm install node-av.',
  ]);
  expect(existsSync(at('x.mp4'))).toBe(false);
});
