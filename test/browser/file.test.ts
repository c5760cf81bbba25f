import { describe, expect, it } from 'vitest';
import type { FileUpscaleOptions } from '../../src/media/file/options.js';
import type { Outcome } from '../pages/file.js';
import { upscaledInNode } from '../support/file-reference.js';
import { picturesOf, run, timesOf } from '../support/file-rig.js';
import { mediaFiles } from '../support/media-files.js';
import { testPages } from '../support/pages.js';
import { samplePsnr } from '../support/pictures.js';

const pages = testPages();
const files = mediaFiles();

const PICTURE = (seconds: number, size = '64x48', rate = '25') => [
  ...['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${rate}:d=${seconds}`],
];
const SOUND = (seconds: number, hertz = 440) => ['-f', 'lavfi', '-i', `sine=f=${hertz}:d=${seconds}:r=48000`];
const H264 = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-crf', '12'];
const ODD = ['-vf', 'format=rgb24,crop=63:47:0:0:exact=1,format=yuv420p'];
const BT601 = 'smpte170m';
const TAGGED = (space: string) => [
  ...['-colorspace', space, '-color_primaries', space, '-color_trc', space, '-color_range', 'tv'],
];

/** Upscales a file of the folder in a page, and keeps what comes of it in the folder. */
async function upscale(name: string, options: FileUpscaleOptions = {}, watch = false) {
  const { readFileSync } = await import('node:fs');
  const source = readFileSync(files.path(name)).toString('base64');
  const outcome = await pages.run<Outcome>('file', 'upscale', source, name, options, watch);
  const out = `out-${name}.${outcome.file?.container ?? 'none'}`;
  if (outcome.bytes) files.write(out, Buffer.from(outcome.bytes, 'base64'));
  return { ...outcome, out };
}

const times = (name: string, stream: string): number[] => timesOf(files.path(name), stream);

/** The greatest difference between two lists of times, in seconds. */
function apart(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...a.map((time, i) => Math.abs(time - (b[i] as number))));
}

describe('in Chromium', () => {
  it('an MP4 keeps frames, times, colours and sound, and its pictures are the network’s', async () => {
    files.make(...PICTURE(0.48), ...SOUND(0.48), ...H264, ...TAGGED(BT601), '-c:a', 'aac', 'plain.mp4');
    const { file, error, made, out, left, progress } = await upscale('plain.mp4', {}, true);
    expect(error).toBeNull();
    expect(file).toMatchObject({ frames: 12, container: 'mp4', codec: 'avc', size: { width: 128, height: 96 } });
    expect(file).toMatchObject({ name: 'plain-x2.mp4', model: 'mana-nano-x2', notices: [] });
    expect(file?.durationS).toBeCloseTo(0.48, 3);
    expect(left).toEqual([]);
    expect(progress.at(-1)).toMatchObject({ framesDone: 12, framesTotal: 12, percent: 100, secondsLeft: 0 });
    const [picture, sound] = files.streams(out);
    expect(picture).toMatchObject({ codec_name: 'h264', width: 128, height: 96, nb_frames: '12' });
    expect(picture).toMatchObject({
      color_space: BT601,
      color_primaries: BT601,
      color_transfer: BT601,
      color_range: 'tv',
    });
    expect(sound).toMatchObject({ codec_name: 'aac' });
    expect(apart(times(out, 'v'), times('plain.mp4', 'v'))).toBeLessThan(1e-4);
    expect(apart(times(out, 'a'), times('plain.mp4', 'a'))).toBeLessThan(1e-4);
    expect(files.packetHashes(out, 'a')).toEqual(files.packetHashes('plain.mp4', 'a'));
    const space = { matrix: 'smpte170m', fullRange: false } as const;
    const wanted = await upscaledInNode(
      files.i420('plain.mp4'),
      { width: 64, height: 48 },
      times('plain.mp4', 'v'),
      space,
    );
    expect(made).toHaveLength(12);
    const quality = made.map((frame, i) => samplePsnr(Buffer.from(frame, 'base64'), wanted[i] as Uint8Array));
    expect(Math.min(...quality)).toBeGreaterThan(45);
    // The command line makes the same pictures.
    expect((await run(['file', 'plain.mp4', '-o', 'plain.y4m', '--model', 'mana-nano-x2'], files.path(''))).code).toBe(
      0,
    );
    const lines = picturesOf(files.path('plain.y4m'), wanted[0]?.length as number);
    expect(lines).toHaveLength(12);
    const same = made.map((frame, i) => samplePsnr(Buffer.from(frame, 'base64'), lines[i] as Uint8Array));
    expect(Math.min(...same)).toBeGreaterThan(45);
    // What is coded is what was made, but for coding.
    const coded = files.i420(out);
    const bytes = wanted[0]?.length as number;
    const loss = wanted.map((frame, i) => samplePsnr(coded.subarray(i * bytes, (i + 1) * bytes), frame));
    expect(Math.min(...loss)).toBeGreaterThan(28);
  });

  it('a small picture that names no colours is BT.601, as in players, and the output says so', async () => {
    files.make(...PICTURE(0.2), ...H264, 'unnamed.mp4');
    expect(files.streams('unnamed.mp4')[0]).not.toHaveProperty('color_space');
    const { out, made } = await upscale('unnamed.mp4', {}, true);
    expect(files.streams(out)[0]).toMatchObject({ color_space: BT601, color_primaries: BT601, color_transfer: BT601 });
    const space = { matrix: 'smpte170m', fullRange: false } as const;
    const size = { width: 64, height: 48 };
    const wanted = await upscaledInNode(files.i420('unnamed.mp4'), size, times('unnamed.mp4', 'v'), space);
    expect(made).toHaveLength(5);
    const quality = made.map((frame, i) => samplePsnr(Buffer.from(frame, 'base64'), wanted[i] as Uint8Array));
    expect(Math.min(...quality)).toBeGreaterThan(60);
  });

  it('keeps rotation, a variable frame rate, frames coded out of order, and each of two sound tracks', async () => {
    const uneven = "setpts='(N*0.04+mod(N,3)*0.011+gt(N,6)*0.3)/TB'";
    files.make(
      ...[...PICTURE(0.6), ...SOUND(0.9), ...SOUND(0.9, 880), '-map', '0:v', '-map', '1:a', '-map', '2:a'],
      ...['-vf', uneven, '-fps_mode', 'vfr', ...H264, '-bf', '2', ...TAGGED('bt709'), '-c:a', 'aac'],
      ...['-metadata:s:a:0', 'language=deu', '-metadata:s:a:1', 'language=fra', 'uneven.mp4'],
    );
    files.make('-i', 'uneven.mp4', '-map', '0', '-c', 'copy', '-metadata:s:v:0', 'rotate=90', 'turned.mp4');
    const { file, out } = await upscale('turned.mp4');
    expect(file?.frames).toBe(15);
    const [picture, first, second] = files.streams(out);
    const source = files.streams('turned.mp4')[0];
    expect(picture).toMatchObject({ width: 128, height: 96, color_space: 'bt709' });
    const turned = (stream: unknown) =>
      (stream as { side_data_list?: { rotation?: number }[] }).side_data_list?.find((side) => 'rotation' in side)
        ?.rotation;
    expect(Math.abs(turned(source) as number)).toBe(90);
    expect(turned(picture)).toBe(turned(source));
    expect(first?.['tags']).toMatchObject({ language: 'deu' });
    expect(second?.['tags']).toMatchObject({ language: 'fra' });
    expect(apart(times(out, 'v'), times('turned.mp4', 'v'))).toBeLessThan(1e-4);
    for (const track of ['a:0', 'a:1']) {
      expect(apart(times(out, track), times('turned.mp4', track))).toBeLessThan(1e-4);
      expect(files.packetHashes(out, track)).toEqual(files.packetHashes('turned.mp4', track));
    }
  });

  it('makes WebM of WebM and Matroska of Matroska, of odd sizes too', async () => {
    files.make(...PICTURE(0.4), ...SOUND(0.4), ...ODD, '-c:v', 'libvpx-vp9', '-c:a', 'libopus', 'odd.webm');
    files.make(...PICTURE(0.4, '66x50'), ...SOUND(0.4), ...H264, '-c:a', 'flac', 'film.mkv');
    const webm = await upscale('odd.webm', {}, true);
    expect(webm.file).toMatchObject({ container: 'webm', codec: 'vp9', frames: 10, size: { width: 126, height: 94 } });
    expect(files.streams(webm.out).map(({ codec_name }) => codec_name)).toEqual(['vp9', 'opus']);
    expect(apart(times(webm.out, 'v'), times('odd.webm', 'v'))).toBeLessThan(1e-3);
    expect(files.packetHashes(webm.out, 'a')).toEqual(files.packetHashes('odd.webm', 'a'));
    const wanted = await upscaledInNode(files.i420('odd.webm'), { width: 63, height: 47 }, times('odd.webm', 'v'), {
      matrix: 'smpte170m',
      fullRange: false,
    });
    const quality = webm.made.map((frame, i) => samplePsnr(Buffer.from(frame, 'base64'), wanted[i] as Uint8Array));
    expect(quality).toHaveLength(10);
    expect(Math.min(...quality)).toBeGreaterThan(45);
    const mkv = await upscale('film.mkv');
    expect(mkv.file).toMatchObject({ container: 'mkv', codec: 'avc', frames: 10, size: { width: 132, height: 100 } });
    expect(files.packetHashes(mkv.out, 'a')).toEqual(files.packetHashes('film.mkv', 'a'));
    const mp4 = await upscale('odd.webm', { container: 'mp4', codec: 'vp9' });
    expect(files.streams(mp4.out).map(({ codec_name }) => codec_name)).toEqual(['vp9', 'opus']);
    expect(mp4.file?.notices).toEqual([]);
    const other = await upscale('film.mkv', { container: 'webm' });
    expect(files.streams(other.out).map(({ codec_name }) => codec_name)).toEqual(['vp9', 'opus']);
    expect(other.file?.notices.join()).toMatch(/sound \(flac\) is coded anew as opus/);
  });
});

describe('files that are not as they should be, in Chromium', () => {
  const HEVC_LIKE = 'file-unsupported';

  it.each([
    ['empty.mp4', () => Buffer.alloc(0), 'file-invalid', 'The file is empty.'],
    [
      'noise.mp4',
      () => Buffer.from('This is a letter, not a film. '.repeat(400)),
      HEVC_LIKE,
      'This file cannot be read:',
    ],
    [
      'sound.mp4',
      () => files.make(...SOUND(0.3), '-c:a', 'aac', 'sound.mp4'),
      'file-invalid',
      'The file has no video, only sound.',
    ],
    [
      // Its table of contents comes last, and is gone.
      'cut.mp4',
      () => {
        const whole = files.make(...PICTURE(0.4), ...H264, 'whole.mp4');
        return whole.subarray(0, whole.indexOf('moov') - 4);
      },
      'file-invalid',
      'The file is cut off or damaged:',
    ],
    [
      'hdr.mp4',
      () =>
        files.make(
          ...[...PICTURE(0.2), '-c:v', 'libx264', '-pix_fmt', 'yuv420p10le', '-colorspace', 'bt2020nc'],
          ...['-color_primaries', 'bt2020', '-color_trc', 'smpte2084', 'hdr.mp4'],
        ),
      'file-unsupported',
      'This video is in high dynamic range (HDR)',
    ],
    [
      'old.avi',
      () => files.make(...PICTURE(0.2), '-c:v', 'mpeg4', 'old.avi'),
      'file-unsupported',
      'Other formats need ffmpeg.wasm: see options.assets.ffmpegCore.',
    ],
  ])('%s is refused in one sentence', async (name, make, code, sentence) => {
    files.write(name, make());
    const { error, left, file } = await upscale(name);
    expect(file).toBeNull();
    expect(error).toMatchObject({ name: 'UpscaleError', code });
    expect(error?.message).toContain(sentence);
    expect(left).toEqual([]);
  });

  it('a file that is cut off in its pictures gives those that are there, and says so', async () => {
    const whole = files.make(...PICTURE(1), ...H264, '-g', '5', '-movflags', '+faststart', 'start.mp4');
    files.write('half.mp4', whole.subarray(0, Math.floor(whole.length * 0.6)));
    const { file, out } = await upscale('half.mp4');
    expect(file?.frames).toBeGreaterThan(7);
    expect(file?.frames).toBeLessThan(25);
    expect(file?.notices.join()).toMatch(/ends 0\.\d s before the file says|cut off/);
    expect(times(out, 'v')).toHaveLength(file?.frames as number);
  });

  it('broken packets cost the frames around them, and no more', async () => {
    const whole = files.make(...PICTURE(1), ...H264, '-g', '10', '-bf', '0', 'good.mp4');
    const packets = files.each('good.mp4', 'packet', 'v', 'pos', 'size').map((row) => row.map(Number));
    const broken = Buffer.from(whole);
    const [size, position] = packets[12] as [number, number];
    broken.fill(0xff, position, position + size);
    files.write('broken.mp4', broken);
    const { file, out } = await upscale('broken.mp4');
    expect(file?.notices.join()).toMatch(/damaged/);
    expect(file?.frames).toBeGreaterThan(12);
    expect(file?.frames).toBeLessThan(25);
    // What follows is where it was.
    expect(times(out, 'v').at(-1)).toBeCloseTo(24 / 25, 3);
  });

  it('pictures of another size in the middle are drawn into the first size', async () => {
    files.make(...PICTURE(0.4, '64x48'), ...H264, '-bf', '0', '-f', 'h264', 'small.h264');
    files.make(...PICTURE(0.4, '96x48'), ...H264, '-bf', '0', '-f', 'h264', 'wide.h264');
    const { readFileSync } = await import('node:fs');
    files.write('both.h264', Buffer.concat(['small.h264', 'wide.h264'].map((name) => readFileSync(files.path(name)))));
    files.make('-f', 'h264', '-r', '25', '-i', 'both.h264', '-c', 'copy', '-f', 'mpegts', 'changing.ts');
    const { file, error, made, out } = await upscale('changing.ts', {}, true);
    expect(error).toBeNull();
    expect(file).toMatchObject({ frames: 20, size: { width: 128, height: 96 } });
    expect(files.streams(out)[0]).toMatchObject({ width: 128, height: 96, nb_frames: '20' });
    const last = Buffer.from(made[19] as string, 'base64');
    const row = (y: number) => [...last.subarray(y * 128, (y + 1) * 128)];
    // 192x96 fits as 128x64: bars of 16 rows above and below.
    expect(Math.max(...row(4), ...row(92))).toBeLessThan(20);
    expect(Math.max(...row(48))).toBeGreaterThan(60);
  });

  it('ten bits become eight, with a notice', async () => {
    files.make(...PICTURE(0.3), '-c:v', 'libvpx-vp9', '-pix_fmt', 'yuv420p10le', ...TAGGED('bt709'), 'deep.webm');
    const { file, made, error } = await upscale('deep.webm', {}, true);
    expect(error).toBeNull();
    expect(file?.notices).toEqual(['The source has more than 8 bits a sample; the output has 8.']);
    const wanted = await upscaledInNode(files.i420('deep.webm'), { width: 64, height: 48 }, times('deep.webm', 'v'), {
      matrix: 'bt709',
      fullRange: false,
    });
    // The browser makes pixels of ten bits, and its chroma is smoothed.
    const quality = made.map((frame, i) => samplePsnr(Buffer.from(frame, 'base64'), wanted[i] as Uint8Array));
    expect(quality).toHaveLength(file?.frames as number);
    expect(Math.min(...quality)).toBeGreaterThan(45);
  });

  it('pixels that are not square stay so', async () => {
    files.make(...PICTURE(0.2, '60x48'), ...H264, '-vf', 'setsar=4/3', 'wide.mp4');
    files.make(...PICTURE(0.2, '60x48'), '-vf', 'setsar=4/3', '-c:v', 'libvpx-vp9', 'wide.webm');
    for (const name of ['wide.mp4', 'wide.webm']) {
      expect(files.streams(name)[0]).toMatchObject({ sample_aspect_ratio: '4:3' });
      const { file, out } = await upscale(name);
      expect(file).toMatchObject({ frames: 5, size: { width: 120, height: 96 } });
      expect(files.streams(out)[0]).toMatchObject({ width: 120, height: 96, sample_aspect_ratio: '4:3' });
    }
  });

  it('what a page left that is gone is removed', async () => {
    const source = files.make(...PICTURE(0.2), ...H264, 'after.mp4').toString('base64');
    const { left } = await pages.run<Outcome>('file', 'upscaleAfterLeaving', source, 'after.mp4');
    expect(left).toEqual([]);
  });

  it('names may be anything', async () => {
    files.make(...PICTURE(0.2), ...H264, 'named.mp4');
    const { readFileSync } = await import('node:fs');
    const source = readFileSync(files.path('named.mp4')).toString('base64');
    const outcome = await pages.run<Outcome>('file', 'upscale', source, 'Tür & Tor – 映画 (1).final.mp4', {});
    expect(outcome.file).toMatchObject({ name: 'Tür & Tor – 映画 (1).final-x2.mp4', frames: 5 });
  });

  it('a picture too large for every encoder is refused before any work is done', async () => {
    files.make('-f', 'lavfi', '-i', 'color=s=6000x4000:r=1:d=1', ...H264, '-preset', 'ultrafast', 'huge.mp4');
    const { error, progress } = await upscale('huge.mp4', { codec: 'avc' });
    expect(error).toMatchObject({ code: 'output-unsupported' });
    expect(error?.message).toContain('12000x8000');
    expect(progress).toEqual([]);
  });
});
