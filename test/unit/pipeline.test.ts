import { beforeAll, describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import { packRgb } from '../../src/frame/colour.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { largestDifference, photoFrame } from '../support/pictures.js';

const engine = wasmEngine();
const models = new Map<string, LoadedModel>();

beforeAll(async () => {
  for (const name of ['mana-nano-x2', 'mana-live-x2']) models.set(name, await shippedModel(name));
});

interface Run {
  readonly out: PlanarFrame[];
  readonly upscaler: Upscaler<PlanarFrame, PlanarFrame>;
}

async function run(name: string, frames: readonly PlanarFrame[], maxTilePixels?: number): Promise<Run> {
  const out: PlanarFrame[] = [];
  const { width, height } = frames[0]!;
  const upscaler = await Upscaler.open(engine, models.get(name)!, {
    size: { width, height },
    lookahead: 3,
    ...(maxTilePixels === undefined ? {} : { maxTilePixels }),
    emit: (frame) => out.push(frame),
  });
  for (const frame of frames) await upscaler.push(frame, frame, 0, () => undefined);
  await upscaler.flush();
  upscaler.dispose();
  return { out, upscaler };
}

/** The reference: the network on the whole frame, edge-replicated to multiples of 8, then cropped. No pipeline. */
async function reference(name: string, frames: readonly PlanarFrame[], centre: number): Promise<Uint8Array> {
  const { width, height } = frames[0]!;
  const [w, h] = [Math.ceil(width / 8) * 8, Math.ceil(height / 8) * 8];
  const input = new Float32Array(7 * 3 * w * h);
  for (let slot = 0; slot < 7; slot++) {
    const frame = frames[Math.min(Math.max(centre - 3 + slot, 0), frames.length - 1)]!;
    packRgb(frame, input.subarray(slot * 3 * w * h, (slot + 1) * 3 * w * h), w, h);
  }
  const out = await engine.runTile(models.get(name)!, input, { width: w, height: h });
  const pixels = new Uint8ClampedArray(width * 2 * height * 2 * 4);
  for (let y = 0; y < height * 2; y++) {
    for (let x = 0; x < width * 2; x++) {
      for (let c = 0; c < 3; c++) pixels[(y * width * 2 + x) * 4 + c] = out[(c * h * 2 + y) * w * 2 + x]! * 255;
    }
  }
  return new Uint8Array(pixels.buffer);
}

const pan = (width: number, height: number, count: number): PlanarFrame[] =>
  Array.from({ length: count }, (_, i) => photoFrame(width, height, i * 3, i * 2, i * 40_000));

describe('tiled equals whole to 1/255 at every pixel', () => {
  it.each([
    ['mana-nano-x2', 161, 121, 72 * 72],
    ['mana-nano-x2', 121, 161, 9000],
    ['mana-nano-x2', 480, 270, 30_000],
    ['mana-nano-x2', 270, 480, 30_000],
    ['mana-nano-x2', 854, 480, 60_000],
    ['mana-live-x2', 161, 121, 9000],
    ['mana-live-x2', 135, 240, 14_000],
  ])('%s at %i x %i in tiles of at most %i pixels', async (name, width, height, maxTilePixels) => {
    // One frame in, six copies beside it: the window of a first and last frame.
    const frames = pan(width, height, width * height > 100_000 ? 1 : 2);
    const { out, upscaler } = await run(name, frames, maxTilePixels);
    expect(upscaler.plan.tiles.length).toBeGreaterThan(1);
    for (const [centre, frame] of out.entries()) {
      expect({ width: frame.width, height: frame.height }).toEqual({ width: width * 2, height: height * 2 });
      expect(largestDifference(frame.data, await reference(name, frames, centre))).toBeLessThanOrEqual(1);
    }
  });
});

describe('the stream equals the network on each window of seven', () => {
  it.each([undefined, 5000])('nano, 10 frames of a pan, tiles of at most %s pixels', async (maxTilePixels) => {
    const frames = pan(97, 65, 10);
    const { out, upscaler } = await run('mana-nano-x2', frames, maxTilePixels);
    expect(out).toHaveLength(10);
    for (let centre = 0; centre < 10; centre++) {
      expect(largestDifference(out[centre]!.data, await reference('mana-nano-x2', frames, centre))).toBeLessThanOrEqual(
        1,
      );
    }
    expect(upscaler.counts.framesEncoded).toBe(10);
    expect(upscaler.counts.tilesReused).toBe(0);
  });
});

describe('unchanged tiles', () => {
  it('are not computed again, and the picture is the same', async () => {
    // A still picture in which a small patch moves, far from most tiles.
    const frames = Array.from({ length: 12 }, (_, i) => {
      const frame = photoFrame(240, 160, 100, 100, i * 40_000);
      const patch = photoFrame(16, 16, 300 + 5 * i, 200);
      for (let y = 0; y < 16; y++) frame.data.set(patch.data.subarray(y * 64, y * 64 + 64), ((y + 4) * 240 + 4) * 4);
      return frame;
    });
    const { out, upscaler } = await run('mana-nano-x2', frames, 5000);
    const { tiles } = upscaler.plan;
    for (const centre of [0, 3, 7, 11]) {
      expect(largestDifference(out[centre]!.data, await reference('mana-nano-x2', frames, centre))).toBeLessThanOrEqual(
        1,
      );
    }
    const { tilesFused, tilesReused } = upscaler.counts;
    expect(tilesFused + tilesReused).toBe(tiles.length * 12);
    // The first output computes all tiles; after it only those near the patch.
    expect(tilesReused).toBeGreaterThan(tiles.length * 11 * 0.6);
    expect(tilesFused).toBeGreaterThan(tiles.length);
  });

  it('a still picture costs one output’s tiles, and a change anywhere computes its tiles again', async () => {
    const still = Array.from({ length: 9 }, (_, i) => photoFrame(96, 64, 0, 0, i * 40_000));
    const { upscaler } = await run('mana-nano-x2', still);
    expect(upscaler.counts).toMatchObject({ tilesFused: 1, tilesReused: 8, framesEncoded: 9 });
    const last = still[8]!;
    last.data[last.data.length - 4]! ^= 1;
    const changed = await run('mana-nano-x2', still);
    expect(largestDifference(changed.out[8]!.data, await reference('mana-nano-x2', still, 8))).toBeLessThanOrEqual(1);
    expect(changed.upscaler.counts.tilesFused).toBeGreaterThan(1);
  });
});
