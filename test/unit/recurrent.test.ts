import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import { verify } from '../../src/engine/verify.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { alignUp, parseManifest } from '../../src/model/manifest.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { fixtureModel } from '../support/fixtures.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { largestDifference, photoFrame } from '../support/pictures.js';
import { networkAlone, windowOf } from '../support/reference.js';

const engine = wasmEngine();
let model: LoadedModel;

beforeAll(async () => {
  model = await fixtureModel('recurrent-tiny');
});

interface Run {
  readonly out: PlanarFrame[];
  readonly upscaler: Upscaler<PlanarFrame, PlanarFrame>;
}

/** @param flushAfter frames after which all waiting centres are sent off, as in a pause of the source */
async function run(
  frames: readonly PlanarFrame[],
  { lookahead = 3, maxTilePixels = 1e9, flushAfter = -1 } = {},
): Promise<Run> {
  const out: PlanarFrame[] = [];
  const { width, height } = frames[0]!;
  const options = { size: { width, height }, lookahead, maxTilePixels, emit: (frame: PlanarFrame) => out.push(frame) };
  const upscaler = await Upscaler.open(engine, model, options);
  for (const [i, frame] of frames.entries()) {
    await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
    if (i + 1 === flushAfter) await upscaler.flush();
  }
  await upscaler.flush();
  upscaler.dispose();
  return { out, upscaler };
}

const pan = (width: number, height: number, count: number): PlanarFrame[] =>
  Array.from({ length: count }, (_, i) => photoFrame(width, height, i * 3, i * 2, i * 40_000));

describe('a recurrent encoder', () => {
  it('answers the golden tile within 1e-5 of PyTorch', async () => {
    expect(await verify(engine, model)).toBeLessThan(1e-5);
  });

  it.each([
    [0, 1e9],
    [1, 1e9],
    [3, 1e9],
    [0, 1600],
    [3, 1600],
  ])(
    'is given the frame before, from zeros on: lookahead %i, tiles of at most %d pixels',
    async (lookahead, maxTilePixels) => {
      const frames = pan(65, 41, 12);
      const { out, upscaler } = await run(frames, { lookahead, maxTilePixels });
      expect(upscaler.plan.tiles.length > 1).toBe(maxTilePixels < 1e9);
      const windows = frames.map((_, centre) => windowOf(centre, frames.length, lookahead));
      const expected = await networkAlone(model, frames, windows);
      expect(out).toHaveLength(frames.length);
      for (const [i, frame] of out.entries()) {
        expect(largestDifference(frame.data, expected[i]!)).toBeLessThanOrEqual(1);
      }
      expect(upscaler.counts).toMatchObject({ framesEncoded: frames.length, tilesReused: 0 });
      // What came before the window matters, so that the comparison above means something.
      const [forgetful] = await networkAlone(model, frames.slice(5), [windowOf(3, 7, lookahead)]);
      expect(largestDifference(out[8]!.data, forgetful!)).toBeGreaterThan(2);
    },
  );

  it.each([1e9, 1600])(
    'remembers a frame whose centre is over: a pause, tiles of at most %d pixels',
    async (maxTilePixels) => {
      const frames = pan(64, 48, 10);
      const { out } = await run(frames, { maxTilePixels, flushAfter: 4 });
      const centres = [6, 7, 8, 9];
      const expected = await networkAlone(
        model,
        frames,
        centres.map((centre) => windowOf(centre, frames.length, 3)),
      );
      for (const [i, centre] of centres.entries()) {
        expect(largestDifference(out[centre]!.data, expected[i]!)).toBeLessThanOrEqual(1);
      }
    },
  );

  it('gives every frame back once, after the next one is encoded', async () => {
    for (const lookahead of [0, 3]) {
      const calls: string[] = [];
      const { width, height } = { width: 32, height: 24 };
      const upscaler = await Upscaler.open(engine, model, {
        size: { width, height },
        lookahead,
        emit: () => undefined,
      });
      const { stream } = upscaler;
      const { encode, retire } = stream;
      stream.encode = (slot, previous) => {
        calls.push(`encode ${slot} after ${previous}`);
        return encode.call(stream, slot, previous);
      };
      stream.retire = (slot) => {
        calls.push(`retire ${slot}`);
        retire.call(stream, slot);
      };
      for (const frame of pan(width, height, 3 + lookahead))
        await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
      const encodes = (from: number, to: number): string[] =>
        Array.from(
          { length: to - from },
          (_, i) => `encode ${from + i} after ${from + i > 0 ? from + i - 1 : undefined}`,
        );
      expect(calls).toEqual(
        lookahead === 0
          ? [...encodes(0, 2), 'retire 0', ...encodes(2, 3), 'retire 1']
          : [...encodes(0, 4), 'retire 0', ...encodes(4, 5), 'retire 1', ...encodes(5, 6), 'retire 2'],
      );
      upscaler.dispose();
    }
  });
});

describe('reuse with a recurrent encoder', () => {
  const still = Array.from({ length: 20 }, (_, i) => photoFrame(96, 64, 40, 30, i * 40_000));

  it('computes a still picture until what was remembered before it has faded, then keeps its pixels', async () => {
    const { out, upscaler } = await run(still);
    // Frames 0 to 11 count as changed: the window of frame 15 is the first that equals the one before.
    expect(upscaler.counts).toMatchObject({ tilesComputed: 15, tilesReused: 5, framesEncoded: 12, framesRepeated: 8 });
    const centres = still.map((_, centre) => Math.min(centre, 14));
    const windows = centres.map((centre) => windowOf(centre, still.length, 3));
    const expected = await networkAlone(model, still, windows);
    for (const [i, { data }] of out.entries()) expect(largestDifference(data, expected[i]!)).toBeLessThanOrEqual(1);
  });

  it('computes with all that was remembered once the picture moves again', async () => {
    const moving = Array.from({ length: 8 }, (_, i) =>
      photoFrame(96, 64, 43 + i * 3, 32 + i * 2, (still.length + i) * 40_000),
    );
    const frames = [...still, ...moving];
    const { out } = await run(frames);
    const centres = [still.length, frames.length - 1];
    const windows = centres.map((centre) => windowOf(centre, frames.length, 3));
    const expected = await networkAlone(model, frames, windows);
    for (const [i, centre] of centres.entries()) {
      expect(largestDifference(out[centre]!.data, expected[i]!)).toBeLessThanOrEqual(1);
    }
  });

  // Random weights say nothing about how far a trained network's answer drifts on a still picture; shipped ones do.
  it.each(recurrentShipped())('%s drifts by less than half a level after the pixels are kept', async (name) => {
    const shipped = await shippedModel(name);
    const long = Array.from({ length: 40 }, (_, i) => photoFrame(96, 64, 40, 30, i * 40_000));
    const windows = [14, 18, 24, 36].map((centre) => windowOf(centre, long.length, 3));
    const [kept, ...later] = await networkAlone(shipped, long, windows);
    for (const picture of later) expect(meanDifference(picture, kept!)).toBeLessThan(0.5);
  });

  it.each(recurrentShipped())('%s remembers little of what moves beside a tile that is kept', async (name) => {
    const shipped = await shippedModel(name);
    const { align, reach, scale } = shipped.manifest;
    const still = photoFrame(128, 64, 40, 30);
    const beside = Array.from({ length: 24 }, (_, i) => {
      const frame = photoFrame(128, 64, 40, 30, i * 40_000);
      if (i < 8) return frame;
      const moving = photoFrame(32, 64, 260 + 5 * i, 200);
      const data = Uint8Array.from(frame.data);
      for (let y = 0; y < 64; y++) data.set(moving.data.subarray(y * 32 * 4, (y + 1) * 32 * 4), y * 128 * 4);
      return { ...frame, data };
    });
    const centre = windowOf(20, beside.length, 3);
    const [kept] = await networkAlone(
      shipped,
      beside.map(() => still),
      [centre],
    );
    const [now] = await networkAlone(shipped, beside, [centre]);
    // The first column of a tile that does not depend on the moving part.
    const from = (32 + alignUp(reach.decode, align) + alignUp(reach.attend + reach.encode, align)) * scale;
    const right = (pixels: Uint8Array): Uint8Array => pixels.filter((_, i) => (i >> 2) % (128 * scale) >= from);
    expect(largestDifference(right(now!), right(kept!))).toBeLessThanOrEqual(1);
    expect(largestDifference(now!, kept!)).toBeGreaterThan(50);
  });
});

/** Shipped models whose encoder reads the frame before. */
function recurrentShipped(): string[] {
  const folder = new URL('../../models/', import.meta.url);
  return readdirSync(folder).filter((name) => {
    const manifest = parseManifest(JSON.parse(readFileSync(new URL(`${name}/manifest.json`, folder), 'utf8')));
    return Object.values(manifest.encode.inputs).some(({ age }) => age === 1);
  });
}

/** The mean difference between the colour bytes of two pictures of 4-byte pixels. */
function meanDifference(a: Uint8Array, b: Uint8Array): number {
  // The fourth byte is the same in both.
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / (a.length * 0.75);
}
