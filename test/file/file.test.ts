import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { toI420 } from '../../src/server/codecs/to-i420.js';
import { ffmpeg, newFolder, picturesOf, timesOf, upscale } from '../support/file-rig.js';
import { shippedModel } from '../support/models.js';
import { samplePsnr } from '../support/pictures.js';
import { networkAlone, windowOf } from '../support/reference.js';

const folder = newFolder();
const at = (name: string): string => join(folder, name);
const SIZE = { width: 64, height: 48 };
const BYTES = SIZE.width * SIZE.height * 1.5;
const FRAMES = 8;
const PICTURE = new URL('../fixtures/picture.jpg', import.meta.url).pathname;
/** A pan over a photograph. */
const PAN = ['-loop', '1', '-i', PICTURE, '-vf', `crop=64:48:x=100+n*2:y=100+n,format=yuv420p`];

beforeAll(() => {
  const video = [...PAN, '-frames:v', `${FRAMES}`, '-r', '25'];
  ffmpeg(...video, '-c:v', 'libx264', '-crf', '10', '-bf', '2', at('plain.mp4'));
});

/** What the network alone makes of a file's pictures, as yuv420p of the same colour space. */
async function reference(
  name: string,
  colourSpace: PlanarFrame['colourSpace'],
  lookahead: number,
): Promise<Uint8Array[]> {
  const { width, height } = SIZE;
  const frames = picturesOf(at(name), BYTES).map(
    (data): PlanarFrame => ({
      format: 'I420',
      ...SIZE,
      data,
      planes: [
        { offset: 0, stride: width },
        { offset: width * height, stride: width / 2 },
        { offset: width * height * 1.25, stride: width / 2 },
      ],
      colourSpace,
      timestampUs: 0,
    }),
  );
  const windows = frames.map((_, i) => windowOf(i, frames.length, lookahead));
  const outputs = await networkAlone(await shippedModel('mana-nano-x2'), frames, windows);
  return outputs.map((data) => {
    const [w, h] = [width * 2, height * 2];
    const rgb: PlanarFrame = {
      format: 'RGBX',
      width: w,
      height: h,
      data,
      planes: [{ offset: 0, stride: 4 * w }],
      colourSpace: { matrix: 'bt709', fullRange: true },
      timestampUs: 0,
    };
    return toI420(rgb, colourSpace).data;
  });
}

describe('pixels', () => {
  it.each([
    ['nothing said', [], { matrix: 'smpte170m', fullRange: false }],
    ['BT.709', ['-colorspace', 'bt709', '-color_range', 'tv'], { matrix: 'bt709', fullRange: false }],
    [
      'BT.601, full range',
      ['-colorspace', 'smpte170m', '-color_range', 'pc'],
      { matrix: 'smpte170m', fullRange: true },
    ],
    ['BT.2020', ['-colorspace', 'bt2020nc', '-color_range', 'tv'], { matrix: 'bt2020-ncl', fullRange: false }],
  ] as const)('are those of the network alone, colours with %s', async (_, tags, colourSpace) => {
    ffmpeg('-i', at('plain.mp4'), '-c:v', 'libx264', '-crf', '10', ...tags, at('tagged.mp4'));
    expect((await upscale(folder, 'tagged.mp4', 'tagged.y4m', '--overwrite')).code).toBe(0);
    const expected = await reference('tagged.mp4', colourSpace, 3);
    const made = picturesOf(at('tagged.y4m'), BYTES * 4);
    expect(made.length).toBe(FRAMES);
    // Rounding differs by a level here and there.
    for (const [i, picture] of made.entries())
      expect(samplePsnr(picture, expected[i]!), `frame ${i}`).toBeGreaterThan(52);
  });

  it('show with less lookahead what the network alone shows', async () => {
    expect((await upscale(folder, 'plain.mp4', 'short.y4m', '--lookahead', '1', '--overwrite')).code).toBe(0);
    const expected = await reference('plain.mp4', { matrix: 'smpte170m', fullRange: false }, 1);
    for (const [i, picture] of picturesOf(at('short.y4m'), BYTES * 4).entries()) {
      expect(samplePsnr(picture, expected[i]!), `frame ${i}`).toBeGreaterThan(52);
    }
  });

  it('are encoded as they were made, whatever the container and the codec', async () => {
    expect((await upscale(folder, 'plain.mp4', 'truth.y4m', '--overwrite')).code).toBe(0);
    const truth = picturesOf(at('truth.y4m'), BYTES * 4);
    for (const [name, ...flags] of [
      ['crf.mp4', '--crf', '0'],
      ['crf.mkv', '--codec', 'hevc', '--crf', '4'],
      ['crf.webm', '--crf', '4'],
      ['av1.mp4', '--codec', 'av1', '--crf', '4'],
      ['crf.mov'],
    ] as const) {
      const { code, stderr } = await upscale(folder, 'plain.mp4', name, '--overwrite', ...flags);
      expect([code, stderr], name).toEqual([0, expect.stringContaining(`128x96, ${FRAMES} frames`)]);
      const made = picturesOf(at(name), BYTES * 4);
      expect(made.length, name).toBe(FRAMES);
      for (const [i, picture] of made.entries()) {
        expect(samplePsnr(picture, truth[i]!), `${name}, frame ${i}`).toBeGreaterThan(name === 'crf.mp4' ? 99 : 36);
      }
      expect(timesOf(at(name), 'v:0'), name).toEqual(timesOf(at('plain.mp4'), 'v:0'));
    }
    expect(readdirSync(folder).filter((name) => name.includes('.part'))).toEqual([]);
  });
});
