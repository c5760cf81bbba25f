import * as c from 'node-av/constants';
import { describe, expect, it } from 'vitest';
import type { ColourSpace, PlanarFrame } from '../../src/frame/frame.js';
import { fitInside } from '../../src/frame/letterbox.js';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import { EncoderClock } from '../../src/server/codecs/encoder-clock.js';
import { loadCodecs } from '../../src/server/codecs/load.js';
import { toI420 } from '../../src/server/codecs/to-i420.js';
import { photoFrame } from '../support/pictures.js';
import { BT601, decodeAll, encodeAll, panning, patchError, patches, psnr } from './codec-pictures.js';
import { h264Pictures } from './codec-streams.js';

describe('the encoder clock', () => {
  it('makes times without gaps, whatever the timestamps do', () => {
    const clock = new EncoderClock(30);
    const times = [5e6, 5e6 + 33_333.3, 5e6 + 66_666.7, 5e6 + 66_667, 9e6, 0, 50_000].map((us) => clock.next(us, 1));
    expect(times.map(({ duration }) => Number(duration))).toEqual([3000, 3000, 3000, 750, 90_000, 3000, 4500]);
    for (const [i, { time, duration }] of times.slice(0, -1).entries())
      expect(times[i + 1]!.time).toBe(time + duration);
  });

  it('stretches time, and rounding does not add up', () => {
    const clock = new EncoderClock(30);
    const times = Array.from({ length: 3000 }, (_, i) => clock.next((i * 1e6) / 30, 1 / 7));
    expect(Number(times.at(-1)!.time)).toBe(Math.round((2999 * 3000) / 7));
    expect(Math.min(...times.map(({ duration }) => Number(duration)))).toBeGreaterThan(0);
  });
});

describe('fitting a picture into another', () => {
  it.each([
    [
      { width: 640, height: 360 },
      { width: 1280, height: 720 },
      { left: 0, top: 0, width: 1280, height: 720 },
    ],
    [
      { width: 100, height: 100 },
      { width: 320, height: 180 },
      { left: 70, top: 0, width: 180, height: 180 },
    ],
    [
      { width: 360, height: 640 },
      { width: 1280, height: 720 },
      { left: 436, top: 0, width: 406, height: 720 },
    ],
    [
      { width: 640, height: 200 },
      { width: 320, height: 180 },
      { left: 0, top: 40, width: 320, height: 100 },
    ],
    [
      { width: 4000, height: 2 },
      { width: 320, height: 180 },
      { left: 0, top: 88, width: 320, height: 2 },
    ],
    [
      { width: 641, height: 360 },
      { width: 1281, height: 719 },
      { left: 0, top: 0, width: 1281, height: 719 },
    ],
    [
      { width: 98, height: 64 },
      { width: 97, height: 63 },
      { left: 0, top: 0, width: 97, height: 63 },
    ],
  ])('puts %o into %o', (source, target, area) => {
    expect(fitInside(source, target)).toEqual(area);
  });
});

describe('conversion to I420', () => {
  it('is undone by the conversion to R G B', () => {
    // Flat patches: what is left is the rounding to 8 bits, in levels.
    for (const matrix of ['bt709', 'smpte170m', 'bt2020-ncl'] as const) {
      for (const fullRange of [false, true]) {
        expect(patchError(toI420(patches(), { matrix, fullRange }))).toBeLessThan(2);
      }
    }
  });
});

/** The NAL units of an access unit in Annex B, by their first byte's type. */
function nalTypes({ data }: CodedPicture): number[] {
  const types: number[] = [];
  for (let i = 0; i + 3 < data.length; i++) {
    if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1) types.push(data[i + 3]! & 31);
  }
  return types;
}

describe('H.264 by node-av', () => {
  const size = { width: 320, height: 180 };

  it('is constrained baseline in Annex B, with parameter sets before every keyframe', async () => {
    const backend = await loadCodecs();
    const encoder = await backend.createEncoder({ codec: 'h264', size, bitrate: 500_000, frameRate: 30 });
    const pictures = await encodeAll(encoder, panning(size, 12), [5]);
    encoder.dispose();
    for (const picture of pictures) {
      expect([...picture.data.subarray(0, 3)].every((byte) => byte === 0) || picture.data[2] === 1).toBe(true);
      const types = nalTypes(picture).filter((type) => type !== 6);
      expect(types).toEqual(picture.key ? [7, 8, 5] : [1]);
    }
    const [{ data }] = pictures as [CodedPicture];
    // profile_idc 66, and constraint_set1_flag: what WebRTC calls 42e0.. or 42c0...
    expect(data[5]).toBe(0x42);
    expect(data[6]! & 0x40).toBe(0x40);
  });

  it('tells its colours, and reads those of others', async () => {
    const backend = await loadCodecs();
    const decoder = await backend.createDecoder('h264');
    const bt709: ColourSpace = { matrix: 'bt709', fullRange: false };
    const source = panning(size, 2, bt709);
    const encoder = await backend.createEncoder({ codec: 'h264', size, bitrate: 2_000_000, frameRate: 30 });
    const told = await decodeAll(decoder, await encodeAll(encoder, source));
    encoder.dispose();
    for (const [i, frame] of told.entries()) {
      expect(frame.colourSpace).toEqual(bt709);
      expect(psnr(frame, source[i]!)).toBeGreaterThan(32);
    }
    const full: ColourSpace = { matrix: 'bt709', fullRange: true };
    const frames = panning(size, 2, full);
    const tags = { color_range: 'pc', colorspace: 'bt709', crf: '20' };
    // Keyframe after keyframe.
    const tagged = h264Pictures(frames, { options: { ...tags, g: '1' } });
    expect(tagged.map(({ key }) => key)).toEqual([true, true]);
    for (const frame of await decodeAll(decoder, tagged)) {
      expect(frame.colourSpace).toEqual(full);
      expect(psnr(frame, frames.find(({ timestampUs }) => timestampUs === frame.timestampUs)!)).toBeGreaterThan(33);
    }
    // Without a word: what browsers take it for.
    const [silent] = await decodeAll(decoder, h264Pictures(panning(size, 1), { options: {} }));
    expect(silent!.colourSpace).toEqual(BT601);
    decoder.dispose();
  });

  it('is decoded to I420 where it has more bits or more chroma', async () => {
    const backend = await loadCodecs();
    const source = toI420(photoFrame(96, 64, 300, 200), BT601);
    const chroma = (frame: PlanarFrame, plane: number, x: number, y: number): number =>
      frame.data[frame.planes[plane]!.offset + (y >> 1) * frame.planes[plane]!.stride + (x >> 1)]!;
    const luma = source.data.subarray(0, 96 * 64);
    const plane = (index: number, rows: number): number[] =>
      Array.from({ length: 96 * rows }, (_, i) => chroma(source, index, i % 96, (Math.floor(i / 96) * 64) / rows));
    const wide = new Uint8Array([...luma, ...plane(1, 64), ...plane(2, 64)]);
    const deep = new Uint8Array(new Uint16Array([...source.data].map((value) => value * 4)).buffer);
    for (const [format, pixels] of [
      [c.AV_PIX_FMT_YUV444P, wide],
      [c.AV_PIX_FMT_YUV420P10LE, deep],
    ] as const) {
      const pictures = h264Pictures([source], { options: { crf: '12' }, format, pixels: () => pixels });
      const decoder = await backend.createDecoder('h264');
      const [shown] = await decodeAll(decoder, pictures);
      expect(shown).toMatchObject({ format: 'I420', width: 96, height: 64, colourSpace: BT601, timestampUs: 0 });
      expect(psnr(shown!, source)).toBeGreaterThan(32);
      decoder.dispose();
    }
  });

  it('has no delay with more threads', async () => {
    const backend = await loadCodecs('node-av', { threads: 4, h264Preset: 'superfast' });
    for (const codec of ['vp8', 'h264'] as const) {
      const encoder = await backend.createEncoder({ codec, size, bitrate: 800_000, frameRate: 30 });
      const decoder = await backend.createDecoder(codec);
      const frames = panning(size, 10);
      const decoded = await decodeAll(decoder, await encodeAll(encoder, frames));
      expect(decoded).toHaveLength(10);
      for (const [i, frame] of decoded.entries()) expect(psnr(frame, frames[i]!)).toBeGreaterThan(31);
      encoder.dispose();
      decoder.dispose();
    }
    await expect(loadCodecs('node-av', { threads: 0 })).rejects.toThrow('options.threads');
    await expect(loadCodecs('node-av', { maxPixels: 0.5 })).rejects.toThrow('options.maxPixels');
  });
});
