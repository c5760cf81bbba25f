import { processors } from 'mana-upscale/server';
import { describe, expect, it } from 'vitest';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { PlanarScaler } from '../../src/node/planar-scaler.js';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import { loadCodecs } from '../../src/server/codecs/load.js';
import type { ProcessorListener } from '../../src/server/processor.js';
import { photoFrame, psnr } from '../support/pictures.js';
import { until } from '../support/whep-rig.js';

const SIZE = { width: 160, height: 90 };
const FRAME_US = 40_000;
/** Pictures that may be inside a processor before the next one is pushed; how often that is waited for: it may leave some out. */
const MOST_BEHIND = 4;
const MOST_WAITS = 25;
/** However slow the machine is, the network makes the pictures. */
const UNHURRIED = { workers: 1, lookahead: 0, budgetMs: 5000, minFrameRate: 0 } as const;
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

/** A pan that is coded as it goes on. */
interface Film {
  /** The next picture; of another size and a keyframe, if one is given. */
  next(size?: { readonly width: number; readonly height: number }): Promise<CodedPicture>;
  close(): void;
}

async function film(codec: 'vp8' | 'h264', first = SIZE): Promise<Film> {
  const codecs = await loadCodecs();
  const settings = { codec, bitrate: 1_500_000, frameRate: 25 } as const;
  let size = first;
  let encoder = await codecs.createEncoder({ ...settings, size });
  let index = 0;
  return {
    next: async (other) => {
      if (other) {
        encoder.dispose();
        size = other;
        encoder = await codecs.createEncoder({ ...settings, size });
      }
      const frame = photoFrame(size.width, size.height, index, 0, index * FRAME_US);
      const picture = await encoder.encode(frame, index === 0 || other !== undefined);
      if (!picture) throw new Error('A picture was left out.');
      index++;
      return picture;
    },
    close: () => encoder.dispose(),
  };
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
  return scaler.scale(photoFrame(size.width, size.height, timestampUs / FRAME_US, 0, timestampUs));
}

async function asRgb(frame: PlanarFrame): Promise<Uint8Array> {
  return new PlanarScaler({ width: frame.width, height: frame.height }, 'nearest').scale(frame).data;
}

/** Pushes a picture, and waits for as long as a frame takes, or longer where the processor is far behind. */
async function push(
  processor: ReturnType<ReturnType<typeof processors>['open']>,
  heard: ReturnType<typeof recorder>,
  picture: CodedPicture,
): Promise<void> {
  processor.push({ ...picture, data: Uint8Array.from(picture.data) });
  await sleep(FRAME_US / 1000);
  const behind = (): boolean =>
    picture.timestampUs - (heard.pictures.at(-1)?.timestampUs ?? 0) > MOST_BEHIND * FRAME_US;
  for (let left = MOST_WAITS; left > 0 && behind(); left--) await sleep(FRAME_US / 1000);
}

describe('a processor', () => {
  it.each(['vp8', 'h264'] as const)('%s: what comes out is what went in, twice as large', async (codec) => {
    const heard = recorder();
    const pool = processors(UNHURRIED);
    const processor = pool.open({ codec }, heard);
    const source = await film(codec);
    await until('the network', async () => {
      await push(processor, heard, await source.next());
      return heard.events.includes('level full');
    });
    const before = heard.pictures.length;
    await until('pictures of the network', async () => {
      await push(processor, heard, await source.next());
      return heard.pictures.length >= before + 25;
    });
    expect(heard.pictures[0]?.key).toBe(true);
    const times = heard.pictures.map(({ timestampUs }) => timestampUs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    for (const frame of await decoded(heard.pictures)) {
      expect([frame.width, frame.height]).toEqual([320, 180]);
      // Coded twice, at these rates; another frame of the pan is below 22 dB.
      expect(psnr(await asRgb(frame), enlarged(frame).data)).toBeGreaterThan(26);
    }
    await until('a delay', () => (heard.delays.at(-1) ?? 0) > 0);
    processor.close();
    source.close();
    await until('its end', () => pool.size === 0);
    await pool.ended();
  });

  it('makes keyframes when asked, and follows the source’s size', async () => {
    const heard = recorder();
    const processor = processors(UNHURRIED).open({ codec: 'vp8' }, heard);
    const source = await film('vp8');
    const keys = (): number => heard.pictures.filter(({ key }) => key).length;
    const pushUntil = (what: string, condition: () => boolean): Promise<void> =>
      until(what, async () => {
        await push(processor, heard, await source.next());
        return condition();
      });
    await pushUntil('pictures', () => heard.pictures.length > 5);
    const before = keys();
    processor.requestKeyframe();
    await pushUntil('a keyframe', () => keys() > before);
    const { timestampUs, ...larger } = await source.next({ width: 240, height: 136 });
    await push(processor, heard, { ...larger, timestampUs });
    await pushUntil('pictures of another size', () => (heard.pictures.at(-1)?.timestampUs ?? 0) > timestampUs);
    const sizes = new Set((await decoded(heard.pictures)).map(({ width, height }) => `${width}x${height}`));
    expect([...sizes]).toEqual(['320x180', '480x272']);
    processor.close();
    source.close();
  });

  it('asks for a keyframe after what cannot be decoded, and goes on with it', async () => {
    const heard = recorder();
    const processor = processors(UNHURRIED).open({ codec: 'h264' }, heard);
    const source = await film('h264');
    for (let i = 0; i < 5; i++) await push(processor, heard, await source.next());
    const broken = await source.next();
    await push(processor, heard, {
      ...broken,
      data: Uint8Array.from({ length: 900 }, (_, i) => (i * 7919) & 255),
      key: true,
    });
    await until('the question', () => heard.events.includes('keyframe wanted'));
    await push(processor, heard, await source.next(SIZE));
    const before = heard.pictures.length;
    await until('pictures', async () => {
      await push(processor, heard, await source.next());
      return heard.pictures.length >= before + 5;
    });
    for (const frame of (await decoded(heard.pictures)).slice(-5)) {
      expect(psnr(await asRgb(frame), enlarged(frame).data)).toBeGreaterThan(26);
    }
    processor.close();
    source.close();
  });

  it('too many streams for the machine: the source’s own pictures have to do; smaller ones are upscaled again', async () => {
    const heard = Array.from({ length: 4 }, recorder);
    const pool = processors({ workers: 1, lookahead: 0 });
    const open = heard.map((listener) => pool.open({ codec: 'h264' }, listener));
    const source = await film('h264', { width: 640, height: 360 });
    // Far more pixels than a core can enlarge and encode at once.
    await until('a stream that is forwarded', async () => {
      const picture = await source.next();
      for (const processor of open) processor.push({ ...picture, data: Uint8Array.from(picture.data) });
      return heard.some(({ events }) => events.includes('forward true'));
    });
    const at = heard.findIndex(({ events }) => events.includes('forward true'));
    for (const [i, processor] of open.entries()) if (i !== at) processor.close();
    await push(open[at]!, heard[at]!, await source.next(SIZE));
    await until('upscaled pictures', async () => {
      const asked = heard[at]!.events.at(-1) === 'keyframe wanted';
      await push(open[at]!, heard[at]!, await source.next(asked ? SIZE : undefined));
      return heard[at]!.events.includes('forward false');
    });
    open[at]!.close();
    source.close();
    await until('their end', () => pool.size === 0);
    await pool.ended();
  });
});
