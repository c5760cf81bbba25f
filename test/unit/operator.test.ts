import { manaUpscale, type PlanarFrame, type UpscaleEvent, type UpscaleStats } from 'mana-upscale/node';
import { from, lastValueFrom, of, Subject, tap, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { FrameSource, oneByOne, PATIENT } from '../support/one-by-one.js';
import { largestDifference, photoFrame, psnr } from '../support/pictures.js';

const still = (count: number, width = 64, height = 48): PlanarFrame[] =>
  Array.from({ length: count }, (_, i) => photoFrame(width, height, i * 3, i, i * 40_000));

/** What the pipeline makes of frames in this thread. */
async function reference(frames: readonly PlanarFrame[]): Promise<PlanarFrame[]> {
  const out: PlanarFrame[] = [];
  const { width, height } = frames[0]!;
  const upscaler = await Upscaler.open(wasmEngine(), await shippedModel('mana-nano-x2'), {
    size: { width, height },
    lookahead: 0,
    emit: (frame) => out.push(frame),
  });
  for (const frame of frames) await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
  await upscaler.flush();
  upscaler.dispose();
  return out;
}

function differences(out: readonly PlanarFrame[], expected: readonly PlanarFrame[]): number[] {
  return out.map(({ data }, i) => largestDifference(data, expected[i]!.data));
}

describe('manaUpscale in Node', () => {
  it('gives one frame for each, in order, as the pipeline makes it, completion last', async () => {
    const frames = still(8);
    const expected = await reference(frames);
    const out = await oneByOne(frames, manaUpscale(PATIENT));
    expect(out.map(({ timestampUs }) => timestampUs)).toEqual(expected.map(({ timestampUs }) => timestampUs));
    for (const { width, height, format } of out) expect([width, height, format]).toEqual([128, 96, 'RGBX']);
    expect(differences(out, expected)).toEqual(Array(8).fill(0));
  });

  it('tiles of a frame are computed in several threads, and are the same picture', async () => {
    const wide = still(5, 128, 64);
    const expected = await reference(wide);
    let last: UpscaleStats | undefined;
    const out = await oneByOne(
      wide,
      manaUpscale({
        ...PATIENT,
        threads: 2,
        onStats: (stats) => {
          last = stats;
        },
      }),
    );
    for (const difference of differences(out, expected)) expect(difference).toBeLessThanOrEqual(1);
    expect(last?.backendDescription).toBe('CPU, 2 threads');
    // The engine's account of the last frame may come after its picture.
    const { full } = last!.framesByLevel;
    expect([2 * full - 2, 2 * full]).toContain(last!.tilesComputed);
  });

  it.each(['cpu', 'cuda', 'webgpu'] as const)(
    '%s: native where it runs, the processor where it does not',
    async (backend) => {
      const frames = still(6);
      const expected = await reference(frames);
      let last: UpscaleStats | undefined;
      const events: UpscaleEvent[] = [];
      const out = await oneByOne(
        frames,
        manaUpscale({
          ...PATIENT,
          backend,
          onStats: (stats) => {
            last = stats;
          },
          onEvent: (event) => events.push(event),
        }),
      );
      // Another order of additions than in WebAssembly.
      for (const difference of differences(out, expected)) expect(difference).toBeLessThanOrEqual(1);
      const fallbacks = events.filter(({ type }) => type === 'fallback');
      expect([last?.backend, fallbacks.length]).toEqual(last?.backend === backend ? [backend, 0] : ['cpu', 1]);
    },
  );

  it('drops the older of two frames that come while it is busy', async () => {
    const frames = still(8);
    const out = await lastValueFrom(from(frames).pipe(manaUpscale(PATIENT), toArray()));
    expect(out.length).toBeLessThan(frames.length);
    expect(out.at(-1)?.timestampUs).toBe(frames.at(-1)?.timestampUs);
  });

  it('passes a source’s error on after the frames before it', async () => {
    const seen: number[] = [];
    const failing = new FrameSource(still(5), new Error('unplugged')).through(manaUpscale(PATIENT));
    const error = await new Promise<unknown>((resolve) => {
      failing.subscribe({ next: (frame) => seen.push(frame.timestampUs), error: resolve });
    });
    expect(error).toMatchObject({ message: 'unplugged' });
    expect(seen).toEqual([0, 40_000, 80_000, 120_000, 160_000]);
  });

  it('never errors because of the network: frames are enlarged without it, and the reason is told', async () => {
    const reasons: string[] = [];
    const frames = still(3);
    const expected = await reference(frames);
    const out = await oneByOne(
      frames,
      manaUpscale({
        ...PATIENT,
        model: 'file:///nowhere/manifest.json',
        onEvent: (event) => {
          if (event.type === 'fallback') reasons.push(event.reason);
        },
      }),
    );
    expect(reasons).toEqual([expect.stringMatching(/nowhere/)]);
    // The same picture, less sharp.
    for (const [i, { data }] of out.entries()) expect(psnr(data, expected[i]!.data)).toBeGreaterThan(25);
    expect(out).toHaveLength(3);
  });

  it('a frame that cannot be read is passed over with its reason; the network goes on', async () => {
    const reasons: string[] = [];
    const frames = still(8);
    frames[3] = { ...frames[3]!, planes: [] };
    const source = new FrameSource(frames);
    const passedOver = (event: UpscaleEvent): void => {
      if (event.type !== 'fallback') return;
      reasons.push(event.reason);
      source.next();
    };
    const out = await lastValueFrom(source.through(manaUpscale({ ...PATIENT, onEvent: passedOver })).pipe(toArray()));
    expect(reasons).toEqual(['This frame cannot be read: plane 0 of RGBX is missing.']);
    expect(out.map(({ timestampUs }) => timestampUs / 40_000)).toEqual([0, 1, 2, 4, 5, 6, 7]);
  });

  it('a part of a larger buffer stays its owner’s', async () => {
    const [frame] = still(1) as [PlanarFrame];
    const pool = new Uint8Array(frame.data.length + 100);
    pool.set(frame.data, 100);
    const part = { ...frame, data: pool.subarray(100) };
    const out = await lastValueFrom(of(part).pipe(manaUpscale(PATIENT), toArray()));
    expect(pool.length).toBe(frame.data.length + 100);
    expect(differences(out, await reference([part]))).toEqual([0]);
  });

  it('a listener that throws does not stop the stream', async () => {
    const thrown: unknown[] = [];
    const listener = (error: Error): void => {
      thrown.push(error);
    };
    process.once('uncaughtException', listener);
    const out = await oneByOne(
      still(3),
      manaUpscale({
        ...PATIENT,
        model: 'file:///nowhere/manifest.json',
        onEvent: () => {
          if (thrown.length === 0) throw new Error('mine');
        },
      }),
    );
    process.off('uncaughtException', listener);
    expect(out).toHaveLength(3);
    expect(thrown).toMatchObject([{ message: 'mine' }]);
  });

  it('stops when unsubscribed', async () => {
    const source = new Subject<PlanarFrame>();
    let seen = 0;
    const [first, second] = still(2) as [PlanarFrame, PlanarFrame];
    const subscription = source.pipe(manaUpscale(PATIENT)).subscribe(() => seen++);
    source.next(first);
    subscription.unsubscribe();
    source.next(second);
    // A stream that begins later is done.
    await oneByOne(still(1), manaUpscale(PATIENT));
    expect(seen).toBe(0);
    expect(source.observed).toBe(false);
  });

  it('leaves the event loop free: it turns many times while the network makes a frame', async () => {
    const frames = still(3, 160, 96);
    const turns: number[] = [];
    let count = 0;
    let over = false;
    const turn = (): void => {
      count++;
      if (!over) setImmediate(turn);
    };
    turn();
    const through = new FrameSource(frames).through(manaUpscale(PATIENT)).pipe(
      tap(() => {
        turns.push(count);
        count = 0;
      }),
    );
    await lastValueFrom(through);
    over = true;
    // A network in this thread would let it turn a few times between two graphs.
    expect(Math.min(...turns)).toBeGreaterThan(100);
  });

  it('refuses wrong options with a TypeError', () => {
    expect(() => manaUpscale({ lookahead: 9 })).toThrow(TypeError);
    expect(() => manaUpscale({ threads: 0 })).toThrow('options.threads, when provided, must be a positive integer.');
    expect(() => manaUpscale({ backend: 'gpu' as 'cpu' })).toThrow(/^options\.backend must be 'auto', /);
  });
});
