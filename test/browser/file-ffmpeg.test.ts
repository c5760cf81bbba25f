import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Outcome } from '../pages/file.js';
import { upscaledInNode } from '../support/file-reference.js';
import { mediaFiles } from '../support/media-files.js';
import { testPages } from '../support/pages.js';
import { samplePsnr } from '../support/pictures.js';

const pages = testPages();
const files = mediaFiles();
const CORE = '/node_modules/@ffmpeg/core/dist/esm/';

async function upscale(name: string, watch = true) {
  const source = readFileSync(files.path(name)).toString('base64');
  const options = { assets: { ffmpegCore: CORE } };
  const outcome = await pages.run<Outcome>('file', 'upscale', source, name, options, watch);
  if (outcome.bytes) files.write(`out-${name}.mp4`, Buffer.from(outcome.bytes, 'base64'));
  return { ...outcome, out: `out-${name}.mp4` };
}

/** When the frames of a file are shown, as ffmpeg says, in seconds; where it does not know, a frame after the one before. */
function shown(name: string, rate: number): number[] {
  const times: number[] = [];
  for (const [time] of files.each(name, 'frame', 'v', 'best_effort_timestamp_time')) {
    times.push(time === 'N/A' ? (times.at(-1) ?? 0) + 1 / rate : Number(time));
  }
  return times;
}

function soundOf(name: string): Int16Array {
  files.make('-i', name, '-map', '0:a', '-ac', '1', '-ar', '8000', '-f', 's16le', 'sound.pcm');
  const bytes = readFileSync(files.path('sound.pcm'));
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~1)));
}

/** When a sound that is silent at first begins, in seconds. */
function onset(samples: Int16Array): number {
  return samples.findIndex((sample) => Math.abs(sample) > 2000) / 8000;
}

const LATE_TONE = "aevalsrc='if(gt(t,0.5),0.5*sin(2*PI*440*t),0)':d=1.2:s=48000";

it.each([
  ['film.avi', 25, ['-c:v', 'mpeg4', '-q:v', '2', '-bf', '0', '-c:a', 'libmp3lame']],
  ['film.mpg', 25, ['-c:v', 'mpeg2video', '-q:v', '2', '-g', '12', '-bf', '2', '-c:a', 'mp2']],
  ['film.flv', 25, ['-c:v', 'flv1', '-q:v', '2', '-c:a', 'libmp3lame', '-ar', '44100']],
])('%s goes through ffmpeg.wasm: same frames, same times, the sound where it was', async (name, rate, codecs) => {
  files.make(
    ...['-f', 'lavfi', '-i', `testsrc2=s=64x48:r=${rate}:d=1.2`, '-f', 'lavfi', '-i', LATE_TONE],
    ...['-pix_fmt', 'yuv420p', ...codecs, name],
  );
  const { file, error, made, out, left } = await upscale(name);
  expect(error).toBeNull();
  const source = shown(name, rate);
  expect(file?.frames).toBe(source.length);
  expect(file?.notices.filter((notice) => /damaged|not in the output/.test(notice))).toEqual([]);
  expect(left).toEqual([]);
  const times = shown(out, rate);
  expect(times).toHaveLength(source.length);
  const off = times.map((time, i) => Math.abs(time - (source[i] as number)));
  expect(Math.max(...off)).toBeLessThan(1e-3);
  const space = { matrix: 'smpte170m', fullRange: false } as const;
  const wanted = await upscaledInNode(files.i420(name), { width: 64, height: 48 }, source, space);
  const quality = made.map((frame, i) => samplePsnr(Buffer.from(frame, 'base64'), wanted[i] as Uint8Array));
  expect(quality).toHaveLength(source.length);
  expect(Math.min(...quality)).toBeGreaterThan(45);
  // The video's own start is the clock: what matters is when the tone begins after the first picture.
  const before = onset(soundOf(name));
  const after = onset(soundOf(out));
  expect(Math.abs(after - before)).toBeLessThan(2e-3);
});

it('ProRes of ten bits, in a file that the browser opens but cannot decode', async () => {
  files.make('-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=24:d=0.5', '-c:v', 'prores_ks', 'film.mov');
  const { file, error } = await upscale('film.mov');
  expect(error).toBeNull();
  expect(file).toMatchObject({ frames: 12, container: 'mp4' });
  expect(file?.notices).toEqual(['The source has more than 8 bits a sample; the output has 8.']);
});

it('what is no video is told in one sentence, and so is a core that is not there', async () => {
  files.write('noise.avi', Buffer.from('This is a letter, not a film. '.repeat(400)));
  const noise = await upscale('noise.avi');
  expect(noise.error).toMatchObject({ code: 'file-invalid', message: 'This file is no video, or it is damaged.' });
  files.make('-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=24:d=0.2', '-c:v', 'mpeg4', 'short.avi');
  const source = readFileSync(files.path('short.avi')).toString('base64');
  const assets = { ffmpegCore: '/nowhere/' };
  const { error } = await pages.run<Outcome>('file', 'upscale', source, 'short.avi', { assets });
  expect(error?.code).toBe('file-unsupported');
  expect(error?.message).toMatch(
    /could not be loaded from http.*\/nowhere\/ffmpeg-core\.js.*options\.assets\.ffmpegCore/,
  );
});

it.each([
  ['long.avi', 10, ['-c:v', 'mpeg4', '-g', '100', '-bf', '2', '-c:a', 'libmp3lame']],
  ['long.mpg', 25, ['-c:v', 'mpeg2video', '-g', '15', '-bf', '2', '-c:a', 'mp2']],
  ['long.wmv', 10, ['-c:v', 'wmv2', '-g', '40', '-c:a', 'wmav2']],
])(
  '%s is decoded in pieces: no frame is lost or made twice where they meet, and no sound',
  async (name, rate, codecs) => {
    // Pictures come in pieces of ten seconds, sound in pieces of twenty.
    const seconds = 27;
    files.make(
      ...[
        '-f',
        'lavfi',
        '-i',
        `testsrc2=s=32x24:r=${rate}:d=${seconds}`,
        '-f',
        'lavfi',
        '-i',
        `sine=d=${seconds}:r=44100`,
      ],
      ...['-pix_fmt', 'yuv420p', ...codecs, name],
    );
    const { file, error, out } = await upscale(name, false);
    expect(error).toBeNull();
    const source = shown(name, rate);
    // ffmpeg writes one of these files with a step back in time: a frame there comes right after the one before.
    for (let i = 1; i < source.length; i++)
      source[i] = Math.max(source[i] as number, (source[i - 1] as number) + 0.001);
    expect(file?.frames).toBe(source.length);
    const times = shown(out, rate);
    const off = times.map((time, i) => Math.abs(time - (source[i] as number)));
    expect(off).toHaveLength(source.length);
    expect(Math.max(...off)).toBeLessThan(1e-3);
    // A tone without a break has no silence in it, and is as long as it was.
    const [before, after] = [soundOf(name), soundOf(out)];
    expect(Math.abs(after.length - before.length) / 8000).toBeLessThan(0.1);
    let quiet = 0;
    for (let i = 800; i + 80 < after.length - 1600; i += 80) {
      if (Math.max(...after.subarray(i, i + 80)) < 1000) quiet++;
    }
    expect(quiet).toBe(0);
  },
);

it('a source of R’G’B’ keeps its colours', async () => {
  const halves = ['-f', 'lavfi', '-i', 'color=red:s=64x48:r=10:d=0.5', '-vf', 'drawbox=32:0:32:48:blue:fill'];
  files.make(...halves, '-pix_fmt', 'rgb24', '-c:v', 'png', 'halves.avi');
  const { file, error, out } = await upscale('halves.avi', false);
  expect(error).toBeNull();
  expect(file?.frames).toBe(5);
  expect(files.streams(out)[0]).toMatchObject({ color_space: 'bt709' });
  const shown = files.make('-i', out, '-frames:v', '1', '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'shown.rgb');
  for (const [x, colour] of [
    [20, [254, 0, 0]],
    [108, [0, 0, 254]],
  ] as const) {
    const at = 3 * (48 * 128 + x);
    for (const [i, level] of colour.entries()) expect(Math.abs((shown[at + i] as number) - level)).toBeLessThan(8);
  }
});
