import { beforeAll, describe, expect, it } from 'vitest';
import { blendWeights, TileBlender } from '../../src/engine/blend.js';
import type { LoadedModel, TilePlan } from '../../src/engine/engine.js';
import { verify } from '../../src/engine/verify.js';
import { packRgb } from '../../src/frame/colour.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { exactTileBytes, planExactTiles, planStream } from '../../src/pipeline/tiles.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { fixtureModel } from '../support/fixtures.js';
import { wasmEngine } from '../support/models.js';
import { largestDifference, photoFrame } from '../support/pictures.js';
import { windowOf } from '../support/reference.js';

const engine = wasmEngine();
const TILE = { size: 64, overlap: 16 };
let paper: LoadedModel;

beforeAll(async () => {
  paper = await fixtureModel('mana-paper');
});

/** Share of each tile at each output pixel of the padded picture, one after the other: written to be read, not fast. */
function shares(plan: TilePlan, scale: number): number[][] {
  const share = (at: number, start: number, length: number, side: number, overlap: number): number => {
    const distance = at + 0.5 - start;
    if (distance < 0 || distance > length) return 0;
    if (start > 0 && distance < overlap) return distance / overlap;
    if (start + length < side && length - distance < overlap) return (length - distance) / overlap;
    return 1;
  };
  const { picture, overlap } = plan;
  return plan.tiles.map(({ outer }) => {
    const all: number[] = [];
    for (let y = 0; y < picture.height * scale; y++) {
      for (let x = 0; x < picture.width * scale; x++) {
        all.push(
          share(x, outer.x * scale, outer.width * scale, picture.width * scale, overlap * scale) *
            share(y, outer.y * scale, outer.height * scale, picture.height * scale, overlap * scale),
        );
      }
    }
    return all;
  });
}

describe('the plan of exact tiles', () => {
  it.each([
    [1, 1, 1, 1],
    [64, 64, 1, 1],
    [65, 64, 2, 1],
    [100, 80, 2, 2],
    [112, 113, 2, 3],
    [640, 360, 13, 8],
  ])('%i x %i takes %i x %i tiles of the size, on one grid', (width, height, columns, rows) => {
    const { picture, tileSize, tiles, overlap } = planExactTiles({ width, height }, TILE);
    expect({ tileSize, overlap, count: tiles.length }).toEqual({
      tileSize: { width: 64, height: 64 },
      overlap: 16,
      count: columns * rows,
    });
    expect(picture).toEqual({ width: columns * 48 + 16, height: rows * 48 + 16 });
    for (const { index, outer, core } of tiles) {
      expect(outer).toEqual({ x: (index % columns) * 48, y: Math.floor(index / columns) * 48, width: 64, height: 64 });
      expect(core).toEqual(outer);
    }
  });

  it.each([TILE, { size: 16, overlap: 8 }, { size: 24, overlap: 8 }])('weights add up to one: %o', (tile) => {
    const plan = planExactTiles({ width: 61, height: 37 }, tile);
    const all = shares(plan, 2);
    const sums = all[0]!.map((_, i) => all.reduce((sum, each) => sum + each[i]!, 0));
    expect(Math.max(...sums.map((sum) => Math.abs(sum - 1)))).toBeLessThan(1e-6);
    const { width, height } = plan.picture;
    for (const [i, { outer }] of plan.tiles.entries()) {
      const columns = blendWeights(outer.x * 2, outer.width * 2, width * 2, plan.overlap * 2);
      const rows = blendWeights(outer.y * 2, outer.height * 2, height * 2, plan.overlap * 2);
      for (const [y, row] of rows.entries()) {
        const from = ((outer.y * 2 + y) * width + outer.x) * 2;
        const worst = columns.reduce(
          (most, column, x) => Math.max(most, Math.abs(column * row - all[i]![from + x]!)),
          0,
        );
        expect(worst).toBeLessThan(1e-6);
      }
    }
  });

  it('refuses pictures that would take too much memory, and says how much a tile takes', () => {
    const { manifest } = paper;
    // Four planes of 16 channels and one of 32 at seven frames, and three channels at four times the size.
    expect(exactTileBytes(manifest, TILE)).toBe(4 * (7 * 80 * 64 * 64 + 3 * 256 * 256));
    const most = { encode: 1e9, fuse: 1e9 };
    expect(planStream(manifest, { width: 640, height: 360 }, most).fuse.tiles).toHaveLength(104);
    expect(() => planStream(manifest, { width: 3840, height: 2160 }, most)).toThrow(
      'mana-paper keeps 10 MiB for each of its tiles; pictures of 3840 x 2160 take 3600 tiles, more than the 2048 MiB it may have.',
    );
  });
});

describe('TileBlender', () => {
  it('makes the same picture in whatever order tiles come, and again when one changes', () => {
    const size = { width: 40, height: 29 };
    const plan = planExactTiles(size, { size: 24, overlap: 8 });
    const scale = 2;
    const picture = { width: size.width * scale, height: size.height * scale };
    const outs = plan.tiles.map((_, tile) =>
      Float32Array.from({ length: 3 * 48 * 48 }, (_, i) => ((i * 7 + tile * 31) % 97) / 96),
    );
    const all = shares(plan, scale);
    const expected = (): Uint8ClampedArray => {
      const pixels = new Uint8ClampedArray(picture.width * picture.height * 4).fill(255);
      for (let y = 0; y < picture.height; y++) {
        for (let x = 0; x < picture.width; x++) {
          for (let channel = 0; channel < 3; channel++) {
            let value = 0;
            for (const [i, { outer }] of plan.tiles.entries()) {
              const share = all[i]![y * plan.picture.width * scale + x]!;
              const at = (channel * 48 + y - outer.y * scale) * 48 + x - outer.x * scale;
              if (share > 0) value += share * outs[i]![at]!;
            }
            pixels[(y * picture.width + x) * 4 + channel] = value * 255;
          }
        }
      }
      return pixels;
    };
    const pixels = new Uint8ClampedArray(picture.width * picture.height * 4).fill(255);
    const blender = new TileBlender(plan, scale, pixels, picture);
    for (const tile of plan.tiles.toReversed()) expect(blender.put(tile, outs[tile.index]!)).toBeUndefined();
    expect(largestDifference(new Uint8Array(pixels), new Uint8Array(expected()))).toBeLessThanOrEqual(1);
    const before = outs[1]!;
    outs[1] = before.map((value) => 1 - value);
    expect(blender.put(plan.tiles[1]!, outs[1])).toBe(before);
    expect(largestDifference(new Uint8Array(pixels), new Uint8Array(expected()))).toBeLessThanOrEqual(1);
  });
});

/** A window's tiles, each computed alone on its own 64 x 64 pixels, then blended: no plan's planes, no ring. */
async function blended(frames: readonly PlanarFrame[], centre: number): Promise<Uint8Array> {
  const { width, height } = frames[0]!;
  const plan = planExactTiles({ width, height }, TILE);
  const [w, h] = [plan.picture.width, plan.picture.height];
  const window = windowOf(centre, frames.length, 3).map((index) => {
    const packed = new Float32Array(3 * w * h);
    packRgb(frames[index]!, packed, w, h);
    return packed;
  });
  const sum = new Float64Array(3 * w * h * 16);
  const all = shares(plan, 4);
  for (const { index, outer } of plan.tiles) {
    const input = new Float32Array(7 * 3 * 64 * 64);
    for (let i = 0; i < input.length; i++) {
      const [x, y, channel] = [i % 64, Math.floor(i / 64) % 64, Math.floor(i / 4096) % 3];
      input[i] = window[Math.floor(i / 12288)]![(channel * h + outer.y + y) * w + outer.x + x]!;
    }
    const out = await engine.runTile(paper, input, { width: 64, height: 64 });
    for (let i = 0; i < out.length; i++) {
      const [x, y, channel] = [
        (i % 256) + outer.x * 4,
        (Math.floor(i / 256) % 256) + outer.y * 4,
        Math.floor(i / 65536),
      ];
      sum[(channel * h * 4 + y) * w * 4 + x]! += out[i]! * all[index]![y * w * 4 + x]!;
    }
  }
  const pixels = new Uint8ClampedArray(width * height * 16 * 4).fill(255);
  for (let y = 0; y < height * 4; y++) {
    for (let x = 0; x < width * 4; x++) {
      for (let c = 0; c < 3; c++) pixels[(y * width * 4 + x) * 4 + c] = sum[(c * h * 4 + y) * w * 4 + x]! * 255;
    }
  }
  return new Uint8Array(pixels.buffer);
}

describe('the network of the paper', () => {
  it('answers its golden tile within 1e-3 of PyTorch', async () => {
    expect(await verify(engine, paper)).toBeLessThan(1e-3);
  });

  it('makes a picture of 100 x 64 of tiles that overlap, each as if alone, and computes only those that change', async () => {
    const frames = Array.from({ length: 4 }, (_, i) => {
      const frame = photoFrame(100, 64, 60, 60, i * 40_000);
      // In the last frame something appears in the upper left corner, which one tile sees.
      if (i === 3) frame.data.set(photoFrame(30, 1, 260, 200).data, 0);
      return frame;
    });
    const out: PlanarFrame[] = [];
    const upscaler = await Upscaler.open(engine, paper, {
      size: { width: 100, height: 64 },
      lookahead: 3,
      emit: (frame) => out.push(frame),
    });
    for (const frame of frames) await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
    await upscaler.flush();
    upscaler.dispose();
    expect(out.map(({ width, height }) => `${width}x${height}`)).toEqual(Array(4).fill('400x256'));
    expect(largestDifference(out[3]!.data, await blended(frames, 3))).toBeLessThanOrEqual(1);
    expect(upscaler.counts).toMatchObject({
      framesEncoded: 2,
      framesRepeated: 2,
      tilesComputed: 2 + 3,
      tilesReused: 3,
    });
  });
});
