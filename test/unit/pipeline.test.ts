import { beforeAll, describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { largestDifference, photoFrame } from '../support/pictures.js';
import { networkAlone, windowOf } from '../support/reference.js';

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
  for (const frame of frames) await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
  await upscaler.flush();
  upscaler.dispose();
  return { out, upscaler };
}

/** What the network alone makes of each centre, given the stream from its first frame on. */
function references(name: string, frames: readonly PlanarFrame[], centres: readonly number[]): Promise<Uint8Array[]> {
  const windows = centres.map((centre) => windowOf(centre, frames.length, 3));
  return networkAlone(models.get(name)!, frames, windows);
}

async function expectEqual(
  name: string,
  frames: readonly PlanarFrame[],
  out: readonly PlanarFrame[],
  centres: number[],
  most = 1,
) {
  const expected = await references(name, frames, centres);
  for (const [i, centre] of centres.entries()) {
    expect(largestDifference(out[centre]!.data, expected[i]!)).toBeLessThanOrEqual(most);
  }
}

const pan = (width: number, height: number, count: number): PlanarFrame[] =>
  Array.from({ length: count }, (_, i) => photoFrame(width, height, i * 3, i * 2, i * 40_000));

describe('tiled equals whole to 1/255 at every pixel', () => {
  it.each([
    ['mana-nano-x2', 161, 121, 72 * 72],
    ['mana-nano-x2', 121, 161, 9000],
    ['mana-nano-x2', 480, 270, 30_000],
    ['mana-nano-x2', 854, 60, 20_000],
    ['mana-live-x2', 65, 121, 5184],
  ])('%s at %i x %i in tiles of at most %i pixels', async (name, width, height, maxTilePixels) => {
    const frames = pan(width, height, width * height > 100_000 ? 2 : 3);
    const { out, upscaler } = await run(name, frames, maxTilePixels);
    expect(upscaler.plan.tiles.length).toBeGreaterThan(1);
    for (const frame of out) {
      expect({ width: frame.width, height: frame.height }).toEqual({ width: width * 2, height: height * 2 });
    }
    await expectEqual(name, frames, out, [...out.keys()]);
  });
});

describe('the stream equals the network', () => {
  it.each([undefined, 5000])('nano, 10 frames of a pan, tiles of at most %s pixels', async (maxTilePixels) => {
    const frames = pan(97, 65, 10);
    const { out, upscaler } = await run('mana-nano-x2', frames, maxTilePixels);
    expect(out).toHaveLength(10);
    await expectEqual('mana-nano-x2', frames, out, [...out.keys()]);
    expect(upscaler.counts.framesEncoded).toBe(10);
    expect(upscaler.counts.tilesReused).toBe(0);
  });
});

describe('unchanged tiles', () => {
  it('are not computed again once what was remembered has faded, and the picture is the same', async () => {
    // A still picture in which a small patch moves, far from most tiles.
    const frames = Array.from({ length: 24 }, (_, i) => {
      const frame = photoFrame(240, 160, 100, 100, i * 40_000);
      const patch = photoFrame(16, 16, 300 + 5 * i, 200);
      for (let y = 0; y < 16; y++) frame.data.set(patch.data.subarray(y * 64, y * 64 + 64), ((y + 4) * 240 + 4) * 4);
      return frame;
    });
    const { out, upscaler } = await run('mana-nano-x2', frames, 5000);
    const { tiles } = upscaler.plan;
    await expectEqual('mana-nano-x2', frames, out, [0, 3, 7]);
    // What was remembered of the start has faded to a level or two where tiles are kept.
    await expectEqual('mana-nano-x2', frames, out, [15, 19, 23], 2);
    const { tilesComputed, tilesReused } = upscaler.counts;
    expect(tilesComputed + tilesReused).toBe(tiles.length * 24);
    // Tiles are computed for the first fifteen outputs, later only those near the patch.
    expect(tilesReused).toBeGreaterThan(tiles.length * 9 * 0.6);
    expect(tilesComputed).toBeGreaterThan(tiles.length * 15);
  });

  it('a change anywhere computes its tiles again', async () => {
    const still = Array.from({ length: 16 }, (_, i) => photoFrame(96, 64, 0, 0, i * 40_000));
    const { upscaler } = await run('mana-nano-x2', still);
    const { tilesComputed } = upscaler.counts;
    expect(tilesComputed).toBeLessThan(16);
    const last = still[15]!;
    last.data[last.data.length - 4]! ^= 1;
    const changed = await run('mana-nano-x2', still);
    await expectEqual('mana-nano-x2', still, changed.out, [15]);
    expect(changed.upscaler.counts.tilesComputed).toBeGreaterThan(tilesComputed);
  });
});
