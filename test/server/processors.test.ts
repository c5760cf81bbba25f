import { processors } from 'mana-upscale/server';
import { describe, expect, it } from 'vitest';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { PlanarScaler } from '../../src/node/planar-scaler.js';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import { loadCodecs } from '../../src/server/codecs/load.js';
import type { ProcessorListener } from '../../src/server/processor.js';
import { photoFrame, psnr } from '../support/pictures.js';

const SIZE = { width: 160, height: 90 };
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Everything that a processor tells. */
function recorder(): ProcessorListener & {
  readonly pictures: CodedPicture[];
  readonly events: string[];
  readonly delays: number[];
} {
  const pictures: CodedPicture[] = [];
  const events: string[] = [];
  const delays: number[] = [];
  return {
    pictures,
    events,
    delays,
    picture: (picture) => pictures.push(picture),
    forward: (on) => events.push(`forward ${on}`),
    keyframeWanted: () => events.push('keyframe wanted'),
    level: (level) => events.push(`level ${level}`),
    delay: (ms) => delays.push(ms),
  };
}

/** Pictures of a pan, coded. */
async function coded(codec: 'vp8' | 'h264', count: number, size = SIZE, from = 0): Promise<CodedPicture[]> {
  const codecs = await loadCodecs();
  const encoder = await codecs.createEncoder({ codec, size, bitrate: 1_500_000, frameRate: 25 });
  const pictures: CodedPicture[] = [];
  for (let i = from; i < from + count; i++) {
    const picture = await encoder.encode(photoFrame(size.width, size.height, i, 0, i * 40_000), i === from);
    if (picture) pictures.push(picture);
  }
  encoder.dispose();
  return pictures;
}

async function decoded(pictures: readonly CodedPicture[]): Promise<PlanarFrame[]> {
  const codecs = await loadCodecs();
  const [first] = pictures as [CodedPicture];
  const decoder = await codecs.createDecoder(first.codec);
  const frames: PlanarFrame[] = [];
  for (const picture of pictures) frames.push(...(await decoder.decode(picture)));
  decoder.dispose();
  return frames;
}

/** What the picture should be, about: the clean frame, enlarged. */
function enlarged({ timestampUs }: PlanarFrame, size = SIZE): PlanarFrame {
  const scaler = new PlanarScaler({ width: size.width * 2, height: size.height * 2 }, 'mitchell');
  return scaler.scale(photoFrame(size.width, size.height, timestampUs / 40_000, 0, timestampUs));
}

async function asRgb(frame: PlanarFrame): Promise<Uint8Array> {
  return new PlanarScaler({ width: frame.width, height: frame.height }, 'nearest').scale(frame).data;
}

async function play(
  processor: ReturnType<ReturnType<typeof processors>['open']>,
  pictures: readonly CodedPicture[],
  everyMs = 40,
): Promise<void> {
  for (const picture of pictures) {
    processor.push({ ...picture, data: Uint8Array.from(picture.data) });
    await sleep(everyMs);
  }
}

describe('a processor', () => {
  it.each(['vp8', 'h264'] as const)('%s: what comes out is what went in, twice as large', async (codec) => {
    const heard = recorder();
    const pool = processors({ workers: 1, lookahead: 0, budgetMs: 1000, minFrameRate: 0 });
    const processor = pool.open({ codec }, heard);
    await play(processor, await coded(codec, 60));
    await expect.poll(() => heard.pictures.at(-1)?.timestampUs, { timeout: 10_000 }).toBe(59 * 40_000);
    expect(heard.events).toContain('level full');
    expect(heard.pictures[0]?.key).toBe(true);
    const times = heard.pictures.map(({ timestampUs }) => timestampUs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const frames = await decoded(heard.pictures);
    expect(frames.length).toBeGreaterThan(40);
    for (const frame of frames) {
      expect([frame.width, frame.height]).toEqual([320, 180]);
      // Coded twice, at these rates; another frame of the pan is below 22 dB.
      expect(psnr(await asRgb(frame), enlarged(frame).data)).toBeGreaterThan(26);
    }
    expect(heard.delays.at(-1)).toBeGreaterThan(0);
    processor.close();
    await expect.poll(() => pool.size, { timeout: 5_000 }).toBe(0);
    await pool.ended();
  });

  it('makes keyframes when asked, and follows the source’s size', async () => {
    const heard = recorder();
    const processor = processors({ workers: 1, lookahead: 0 }).open({ codec: 'vp8' }, heard);
    const small = await coded('vp8', 15);
    const large = await coded('vp8', 15, { width: 240, height: 136 }, 15);
    await play(processor, small);
    await expect.poll(() => heard.pictures.length, { timeout: 10_000 }).toBeGreaterThan(5);
    const before = heard.pictures.length;
    processor.requestKeyframe();
    await play(processor, large);
    await expect.poll(() => heard.pictures.at(-1)?.timestampUs, { timeout: 10_000 }).toBe(29 * 40_000);
    expect(heard.pictures.slice(before).some(({ key }) => key)).toBe(true);
    const sizes = new Set((await decoded(heard.pictures)).map(({ width, height }) => `${width}x${height}`));
    expect([...sizes]).toEqual(['320x180', '480x272']);
    processor.close();
  });

  it('asks for a keyframe after what cannot be decoded, and goes on with it', async () => {
    const heard = recorder();
    const processor = processors({ workers: 1, lookahead: 0 }).open({ codec: 'h264' }, heard);
    const pictures = await coded('h264', 10);
    await play(processor, pictures.slice(0, 5));
    const garbage = Uint8Array.from({ length: 900 }, (_, i) => (i * 7919) & 255);
    await play(processor, [{ codec: 'h264', data: garbage, key: true, timestampUs: 5 * 40_000 }]);
    await expect.poll(() => heard.events, { timeout: 5_000 }).toContain('keyframe wanted');
    await play(processor, await coded('h264', 10, SIZE, 6));
    await expect.poll(() => heard.pictures.at(-1)?.timestampUs, { timeout: 10_000 }).toBe(15 * 40_000);
    for (const frame of (await decoded(heard.pictures)).slice(-5)) {
      expect(psnr(await asRgb(frame), enlarged(frame).data)).toBeGreaterThan(26);
    }
    processor.close();
  });

  it('too many streams for the machine: the source’s own pictures have to do, delay does not grow, and it comes back', async () => {
    const heard = Array.from({ length: 8 }, recorder);
    const pool = processors({ workers: 1, lookahead: 0 });
    const open = heard.map((listener) => pool.open({ codec: 'h264' }, listener));
    // Far more pixels than a core can enlarge and encode at once.
    const pictures = await coded('h264', 100, { width: 640, height: 360 });
    await Promise.all(open.map((processor) => play(processor, pictures, 20)));
    const forwarded = heard.filter(({ events }) => events.includes('forward true')).length;
    expect(forwarded).toBeGreaterThan(0);
    for (const { delays } of heard) expect(Math.max(0, ...delays.slice(-3))).toBeLessThan(1_000);
    for (const processor of open) processor.close();
    await expect.poll(() => pool.size, { timeout: 5_000 }).toBe(0);
    await pool.ended();
  });
});
