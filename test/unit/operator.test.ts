import { manaUpscale, type PlanarFrame } from 'mana-upscale/node';
import { concat, concatMap, delay, from, lastValueFrom, of, Subject, throwError, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { photoFrame, psnr } from '../support/pictures.js';

const frames = Array.from({ length: 8 }, (_, i) => photoFrame(64, 48, i * 3, i, i * 40_000));

/** Frames with time between them, as a live source has. */
const live = (list: readonly PlanarFrame[]) => from(list).pipe(concatMap((frame) => of(frame).pipe(delay(400))));

describe('manaUpscale in Node', () => {
  it('gives one frame for each, in order, twice as large, completion last', async () => {
    const out = await lastValueFrom(live(frames).pipe(manaUpscale({ model: 'mana-nano-x2' }), toArray()));
    expect(out.map(({ timestampUs }) => timestampUs)).toEqual(frames.map(({ timestampUs }) => timestampUs));
    for (const { width, height, format } of out) expect([width, height, format]).toEqual([128, 96, 'RGBX']);
    expect(psnr(out[0]!.data, out[7]!.data)).toBeLessThan(40);
  });

  it('drops the older of two frames that come while it is busy', async () => {
    const out = await lastValueFrom(from(frames).pipe(manaUpscale(), toArray()));
    expect(out.length).toBeLessThan(frames.length);
    expect(out.at(-1)?.timestampUs).toBe(frames.at(-1)?.timestampUs);
  });

  it('passes a source’s error on after the frames before it', async () => {
    const seen: number[] = [];
    const failing = concat(
      live(frames.slice(0, 5)),
      throwError(() => new Error('unplugged')),
    );
    const error = await new Promise<unknown>((resolve) => {
      failing.pipe(manaUpscale()).subscribe({ next: (frame) => seen.push(frame.timestampUs), error: resolve });
    });
    expect(error).toMatchObject({ message: 'unplugged' });
    expect(seen).toEqual([0, 40_000, 80_000, 120_000, 160_000]);
  });

  it('never errors because of the network: frames are enlarged without it, and the reason is told', async () => {
    const reasons: string[] = [];
    const operator = manaUpscale({
      model: 'file:///nowhere/manifest.json',
      onFallback: ({ code }) => reasons.push(code),
    });
    const out = await lastValueFrom(live(frames.slice(0, 2)).pipe(operator, toArray()));
    expect(out.map(({ width }) => width)).toEqual([128, 128]);
    expect(reasons).toEqual(['model-unavailable', 'model-unavailable']);
  });

  it('a frame that cannot be read is passed over with its reason; the network goes on', async () => {
    const reasons: string[] = [];
    const broken = { ...frames[3]!, planes: [] };
    const operator = manaUpscale({ onFallback: ({ message }) => reasons.push(message) });
    const out = await lastValueFrom(
      live([...frames.slice(0, 3), broken, ...frames.slice(4)]).pipe(operator, toArray()),
    );
    expect(reasons).toEqual(['This frame cannot be read: plane 0 of RGBX is missing.']);
    expect(out.map(({ timestampUs }) => timestampUs / 40_000)).toEqual([0, 1, 2, 4, 5, 6, 7]);
  });

  it('a listener that throws does not stop the stream', async () => {
    const thrown: unknown[] = [];
    const listener = (error: Error): void => {
      thrown.push(error);
    };
    process.once('uncaughtException', listener);
    const operator = manaUpscale({
      model: 'file:///nowhere/manifest.json',
      onFallback: () => {
        if (thrown.length === 0) throw new Error('mine');
      },
    });
    const out = await lastValueFrom(live(frames.slice(0, 3)).pipe(operator, toArray()));
    process.off('uncaughtException', listener);
    expect(out).toHaveLength(3);
  });

  it('stops when unsubscribed', async () => {
    const source = new Subject<PlanarFrame>();
    let seen = 0;
    const subscription = source.pipe(manaUpscale({ lookahead: 0 })).subscribe(() => seen++);
    source.next(frames[0]!);
    subscription.unsubscribe();
    source.next(frames[1]!);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(seen).toBe(0);
    expect(source.observed).toBe(false);
  });

  it('refuses wrong options with a TypeError', () => {
    expect(() => manaUpscale({ lookahead: 9 })).toThrow(TypeError);
    expect(() => manaUpscale({ threads: 0 })).toThrow('options.threads must be a positive integer.');
  });
});
