import { describe, expect, it } from 'vitest';
import type { ColourMatrix } from '../../src/frame/frame.js';
import { tightLength } from '../../src/frame/planes.js';
import { rgbToI420 } from '../../src/frame/rgb-to-i420.js';
import { readProbe } from '../../src/media/file/ffmpeg-probe.js';
import { FrameTimesById, Increasing } from '../../src/media/file/frame-times.js';
import { checkFileOptions, type FileUpscaleOptions } from '../../src/media/file/options.js';
import { PaceMeter } from '../../src/media/file/pace-meter.js';
import { PictureClock } from '../../src/media/file/sound.js';
import { mentionsIn } from '../../src/media/file/subtitles.js';
import { toI420 } from '../../src/server/codecs/to-i420.js';
import { photoFrame } from '../support/pictures.js';

describe('RGB to I420 in whole numbers', () => {
  it.each([
    ['bt709', false, 64, 48],
    ['smpte170m', false, 63, 47],
    ['bt2020-ncl', true, 1, 1],
    ['bt709', true, 2, 5],
  ] as [ColourMatrix, boolean, number, number][])(
    '%s, full range %s, %dx%d: a level from exact',
    (matrix, fullRange, width, height) => {
      const frame = photoFrame(width, height, 40, 30);
      const space = { matrix, fullRange };
      const exact = toI420(frame, space).data;
      const made = new Uint8Array(tightLength('I420', frame));
      rgbToI420(frame.data, width * 4, frame, space, made);
      expect(made).toHaveLength(exact.length);
      expect(Math.max(...made.map((value, i) => Math.abs(value - (exact[i] as number))))).toBeLessThanOrEqual(1);
    },
  );

  it('extremes stay in range, and greys have no colour', () => {
    for (const [red, green, blue] of [
      [255, 0, 0],
      [0, 0, 255],
      [255, 255, 255],
      [0, 0, 0],
      [77, 77, 77],
    ] as const) {
      const rgb = Uint8Array.from({ length: 16 }, (_, i) => [red, green, blue, 9][i % 4] as number);
      for (const fullRange of [false, true]) {
        const made = new Uint8Array(6);
        rgbToI420(rgb, 8, { width: 2, height: 2 }, { matrix: 'bt709', fullRange }, made);
        if (red === green && green === blue) expect([made[4], made[5]]).toEqual([128, 128]);
        if (red === 255 && green === 255) expect(made[0]).toBe(fullRange ? 255 : 235);
        if (red === 255 && green === 0) expect(made[5]).toBe(fullRange ? 255 : 240);
        if (red === 0 && blue === 0) expect(made[0]).toBe(fullRange ? 0 : 16);
      }
    }
  });
});

describe('options of a file', () => {
  it('are for what is not live: the largest model, no budget', () => {
    const settings = checkFileOptions({ scale: 4 });
    expect(settings.stream).toMatchObject({ model: 'mana-live-x4', scale: 4, lookahead: 3, minFrameRate: 0 });
    expect(settings.stream.budgetMs).toBe(Number.POSITIVE_INFINITY);
    expect(settings).toMatchObject({ container: 'auto', codec: 'auto', quality: 'very-high', bitrate: null });
    expect(checkFileOptions({ model: 'mana-nano-x2' }).stream.model).toBe('mana-nano-x2');
  });

  it.each([
    [{ container: 'avi' }, 'options.container must be one of auto, mp4, webm, mkv, mov.'],
    [{ codec: 'h264' }, 'options.codec must be one of'],
    [{ container: 'webm', codec: 'avc' }, 'options.codec cannot be avc in a WebM file'],
    [{ bitrate: 0 }, 'options.bitrate'],
    [{ bitrate: 1.5 }, 'options.bitrate'],
    [{ quality: 'best' }, 'options.quality must be one of'],
    [{ pictureEveryMs: -1 }, 'options.pictureEveryMs'],
    [{ pictureEveryMs: Number.NaN }, 'options.pictureEveryMs'],
    [{ onProgress: 3 }, 'options.onProgress'],
    [{ writeTo: 'film.mp4' }, 'options.writeTo'],
    [{ scale: 3 }, 'options.scale'],
  ])('%j is refused by name', (options, sentence) => {
    const check = (): unknown => checkFileOptions(options as unknown as FileUpscaleOptions);
    expect(check).toThrow(TypeError);
    expect(check).toThrow(sentence);
  });
});

it('the end is foretold from the pace of the last seconds', () => {
  const pace = new PaceMeter(1000);
  expect(pace.at(1500, 5, 1000, 0.005).secondsLeft).toBeNull();
  const early = pace.at(3000, 20, 1000, 0.02);
  expect(early.secondsLeft).toBeCloseTo(98, 6);
  expect(early.framesPerSecond).toBeCloseTo(10, 6);
  // Ten times as fast from here on: after some ten seconds only that counts.
  let told = early;
  for (let s = 1; s <= 24; s++) told = pace.at(3000 + s * 250, 20 + 25 * s, 1000, 0.02 + 0.025 * s);
  for (let s = 1; s <= 12; s++) told = pace.at(9000 + s * 500, 620 + s, 1000, 0.62 + 0.001 * s);
  expect(told.framesPerSecond).toBeLessThan(50);
  expect(pace.at(20_000, 1000, 990, 1)).toMatchObject({ framesTotal: 1000, percent: 100, secondsLeft: 0 });
});

it('frames keep the file’s own times, and a new engine begins some frames back', () => {
  const times = new FrameTimesById(20);
  const stamps = Array.from({ length: 30 }, (_, i) =>
    times.add({ timestampS: (i * 1001) / 24000, durationS: 1001 / 24000 }),
  );
  expect(times.take(stamps[7] as number)).toEqual({ timestampS: 7007 / 24000, durationS: 1001 / 24000 });
  expect(times.take(stamps[7] as number)).toBeUndefined();
  expect(times.before(20020 / 24000, 4)).toBeCloseTo(16016 / 24000, 9);
  // It can go back as far as it remembers.
  expect(times.before(12012 / 24000, 16)).toBeCloseTo(10010 / 24000, 9);
  expect(times.add({ timestampS: 0, durationS: 0 })).toBeGreaterThan(stamps.at(-1) as number);
  const increasing = new Increasing();
  expect([0, 0.04, 0.04, 0.02, 0.08].map((time) => increasing.next(time))).toEqual([0, 0.04, 0.041, 0.042, 0.08]);
});

it('sound waits for the picture, and for nothing after its end', async () => {
  const clock = new PictureClock();
  const gone: string[] = [];
  void clock.reaches(1).then(() => gone.push('one'));
  void clock.reaches(3).then(() => gone.push('three'));
  clock.advance(2);
  clock.advance(0);
  await clock.reaches(2);
  expect(gone).toEqual(['one']);
  clock.end();
  await clock.reaches(1e9);
  expect(gone).toEqual(['one', 'three']);
});

it('what ffprobe says is read, and what it does not say has a value too', () => {
  const [odd, film] = readProbe({
    streams: [
      null,
      {
        ...{ codec_type: 'video', codec_name: 'prores', width: 1920, height: 1080, pix_fmt: 'yuv422p10le' },
        ...{ sample_aspect_ratio: '4:3', avg_frame_rate: '24000/1001', color_range: 'tv', duration: '12.5' },
        side_data_list: [{ side_data_type: 'Display Matrix', rotation: -90 }],
      },
    ],
    format: { start_time: '1.5' },
  });
  expect(odd).toMatchObject({ type: '', width: 0, frameRate: 0, pixelAspect: 1, rotation: 0, startS: 1.5 });
  expect(odd?.durationS).toBeNaN();
  expect(film).toMatchObject({ bits: 10, rotation: 90, startS: 1.5, durationS: 12.5, fullRange: false });
  expect(film?.frameRate).toBeCloseTo(23.976, 3);
  for (const nothing of [undefined, null, 'text', {}, { streams: 5 }, []]) expect(readProbe(nothing)).toEqual([]);
  expect(readProbe({ streams: Array(1000).fill({}) })).toHaveLength(64);
});

it('subtitles and chapters are found at a file’s head and tail', async () => {
  const mentions = (...parts: BlobPart[]) => mentionsIn({ kind: 'blob', blob: new Blob(parts), name: 'film' });
  const handler = (type: string, above = '\0\0\0\0'): string => `moov … hdlr\0\0\0\0${above}${type}`;
  const sure = { subtitles: 'The subtitles of the file', chapters: false };
  const none = { subtitles: null, chapters: false };
  expect(await mentions('… V_VP9 … S_TEXT/UTF8 …')).toEqual(sure);
  expect(await mentions(handler('sbtl'))).toEqual(sure);
  expect(await mentions(handler('subt', 'mhlr'))).toEqual(sure);
  expect(await mentions(handler('text')).then(({ subtitles }) => subtitles)).toMatch(/subtitles or chapters/);
  expect(await mentions(handler('vide and text'))).toEqual(none);
  expect(await mentions(new Uint8Array([0x53, 0xab, 0x84, 0x10, 0x43, 0xa7, 0x70]))).toEqual({
    ...none,
    chapters: true,
  });
  expect(await mentions('udta chpl\x01\0\0\0')).toEqual({ ...none, chapters: true });
  // Where pieces meet, in a file that is longer than what is looked at at once; and not in its middle.
  const piece = new Uint8Array(4 * 1024 * 1024);
  expect(await mentions(piece.subarray(3), handler('sbtl'), piece)).toEqual(sure);
  const far = Array<Uint8Array<ArrayBuffer>>(5).fill(piece);
  expect(await mentions(...far, handler('sbtl'), ...far)).toEqual(none);
  expect(await mentions(...far, ...far, handler('sbtl'))).toEqual(sure);
});
