import { beforeAll, describe, expect, it } from 'vitest';
import { TileBlender } from '../../src/engine/blend.js';
import { FEATHER, type LoadedModel, type Rect, type Tile, type TilePlan } from '../../src/engine/engine.js';
import { TileEnlarger } from '../../src/engine/enlarge.js';
import { Resampler } from '../../src/engine/mitchell.js';
import type { OrtCpuStream } from '../../src/engine/ort/cpu-stream.js';
import { packRgb } from '../../src/frame/colour.js';
import type { PlanarFrame, Size } from '../../src/frame/frame.js';
import { planExactTiles, planStream, planTiles } from '../../src/pipeline/tiles.js';
import { fixtureModel } from '../support/fixtures.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { hashOf, largestDifference, photoFrame } from '../support/pictures.js';

/** Mitchell and Netravali's formula for any B and C, here both 1/3: written to be read, not fast. */
function cubic(x: number): number {
  const [b, c, t] = [1 / 3, 1 / 3, Math.abs(x)];
  if (t < 1) return ((12 - 9 * b - 6 * c) * t ** 3 + (-18 + 12 * b + 6 * c) * t ** 2 + (6 - 2 * b)) / 6;
  if (t >= 2) return 0;
  return ((-b - 6 * c) * t ** 3 + (6 * b + 30 * c) * t ** 2 + (-12 * b - 48 * c) * t + (8 * b + 24 * c)) / 6;
}

/** `[3, height * scale, width * scale]` of a packed picture, each pixel from the sixteen around it. */
function enlarged(frame: Float32Array, { width, height }: Size, scale: number): Float32Array {
  const [columns, rows] = [width * scale, height * scale];
  return Float32Array.from({ length: 3 * columns * rows }, (_, i) => {
    const x = ((i % columns) + 0.5) / scale - 0.5;
    const y = ((Math.floor(i / columns) % rows) + 0.5) / scale - 0.5;
    const channel = Math.floor(i / (columns * rows));
    let sum = 0;
    for (let row = Math.floor(y) - 1; row <= Math.floor(y) + 2; row++) {
      for (let column = Math.floor(x) - 1; column <= Math.floor(x) + 2; column++) {
        const at = Math.min(Math.max(row, 0), height - 1) * width + Math.min(Math.max(column, 0), width - 1);
        sum += cubic(x - column) * cubic(y - row) * frame[channel * width * height + at]!;
      }
    }
    return sum;
  });
}

function packed(frame: PlanarFrame, { width, height }: Size): Float32Array {
  const numbers = new Float32Array(3 * width * height);
  packRgb(frame, numbers, width, height);
  return numbers;
}

/** Bytes of `[3, height, width]`, cropped to `size`. */
function bytesOf(numbers: Float32Array, from: Size, { width, height }: Size): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) {
      const at = (channel * from.height + Math.floor(i / width)) * from.width + (i % width);
      pixels[i * 4 + channel] = numbers[at]! * 255;
    }
  }
  return pixels;
}

const times = (size: Size, scale: number): Size => ({ width: size.width * scale, height: size.height * scale });
const bytes = (pixels: Uint8ClampedArray): Uint8Array => new Uint8Array(pixels.buffer);

/** From the middle of every output pixel to the nearest core of these tiles, in output pixels; 0 within. */
function distances({ width, height }: Size, tiles: readonly Tile[], scale: number): Float64Array {
  const outside = (at: number, start: number, length: number): number =>
    Math.max(start * scale - at, at - (start + length) * scale, 0);
  const all = new Float64Array(width * height).fill(Number.POSITIVE_INFINITY);
  for (const { core } of tiles) {
    for (let i = 0; i < all.length; i++) {
      const across = outside((i % width) + 0.5, core.x, core.width);
      const down = outside(Math.floor(i / width) + 0.5, core.y, core.height);
      all[i] = Math.min(all[i]!, Math.sqrt(across ** 2 + down ** 2));
    }
  }
  return all;
}

/** What a picture of network pixels becomes, every pixel by itself. */
function expected(network: Uint8Array, resampled: Uint8Array, size: Size, cheap: readonly Tile[], scale: number) {
  const away = distances(size, cheap, scale);
  return Uint8Array.from(network, (value, i) => {
    const share = Math.max(0, 1 - away[i >> 2]! / FEATHER);
    return Math.round(share * resampled[i]! + (1 - share) * value);
  });
}

describe('resampling', () => {
  it.each([
    [2, 23, 17],
    [4, 13, 11],
    [3, 5, 1],
  ])('by %i of %i x %i is Mitchell’s cubic, in any piece', (scale, width, height) => {
    const size = { width, height };
    const frame = packed(photoFrame(width, height, 200, 150), size);
    const whole = enlarged(frame, size, scale);
    const resampler = new Resampler(size, scale);
    const { width: columns, height: rows } = times(size, scale);
    const made = (region: Rect): Float32Array => {
      const out = new Float32Array(whole.length).fill(Number.NaN);
      resampler.rows(frame, region, (row, y) => {
        for (let i = 0; i < 3 * region.width; i++) {
          const channel = Math.floor(i / region.width);
          out[(channel * rows + y) * columns + region.x + (i % region.width)] = row[i]!;
        }
      });
      return out;
    };
    const all = made({ x: 0, y: 0, width: columns, height: rows });
    expect(Math.max(...all.map((value, i) => Math.abs(value - whole[i]!)))).toBeLessThan(1e-6);
    const inner = made({ x: 1, y: 2, width: columns - 3, height: Math.max(1, rows - 5) });
    const written = [...inner.keys()].filter((i) => !Number.isNaN(inner[i]!));
    expect(written).toHaveLength(3 * (columns - 3) * Math.max(1, rows - 5));
    for (const i of written) expect(inner[i]).toBe(all[i]);
  });
});

/** Pictures, and which of their tiles are made without the network. */
const PICTURES: readonly (readonly [string, Size, number, (tile: Tile, plan: TilePlan) => boolean])[] = [
  ['scattered', { width: 121, height: 97 }, 2, ({ index }) => index % 3 === 0],
  ['the middle one of nine', { width: 77, height: 75 }, 2, ({ index }, { tiles }) => index === tiles.length >> 1],
  ['all but the middle one', { width: 77, height: 75 }, 4, ({ index }, { tiles }) => index !== tiles.length >> 1],
  ['at x4 and an odd size', { width: 61, height: 53 }, 4, ({ index }) => index % 2 === 1],
  ['a corner', { width: 56, height: 56 }, 2, ({ index }) => index === 0],
  ['all', { width: 53, height: 61 }, 2, () => true],
  ['none', { width: 53, height: 61 }, 2, () => false],
];

describe('tiles without the network', () => {
  describe.each(PICTURES)('%s', (_, size, scale, chosen) => {
    const plan = planTiles({ size, align: 8, halo: 8, maxPixels: 40 * 40 });
    const cheap = plan.tiles.filter((tile) => chosen(tile, plan));
    const output = times(size, scale);
    const enlarge = (frame: Float32Array, network: Uint8ClampedArray): Uint8ClampedArray => {
      const shown = network.map(() => 77);
      const before = network.slice();
      const enlarger = new TileEnlarger(plan, scale, output);
      enlarger.enlarge(frame, plan.tiles, network, shown); // what was there must not matter
      enlarger.enlarge(frame, cheap, network, shown);
      expect(hashOf(network)).toBe(hashOf(before));
      return shown;
    };

    it('are resampled as the whole picture is, and the network’s pixels fade into them', () => {
      expect(plan.tiles.length).toBeGreaterThan(3);
      const frame = packed(photoFrame(size.width, size.height, 60, 60), plan.picture);
      const resampled = bytesOf(enlarged(frame, plan.picture, scale), times(plan.picture, scale), output);
      const network = Uint8ClampedArray.from(resampled, (value, i) => (i % 4 === 3 ? 255 : 255 - value));
      const shown = enlarge(frame, network);
      const wanted = expected(bytes(network), bytes(resampled), output, cheap, scale);
      expect(largestDifference(bytes(shown), wanted)).toBeLessThanOrEqual(1);
      // Where nothing fades nothing is off by a bit.
      const whole = new Uint8ClampedArray(network.length).fill(255);
      new TileEnlarger(plan, scale, output).enlarge(frame, plan.tiles, network, whole);
      const away = distances(output, cheap, scale);
      const untouched = shown.every((value, i) => {
        if (away[i >> 2] === 0) return value === whole[i];
        return away[i >> 2]! < FEATHER || value === network[i];
      });
      expect(untouched).toBe(true);
    });

    it('leave no step larger than an eighth of the difference, and fade in one direction', () => {
      const { width, height } = output;
      const white = new Float32Array(3 * plan.picture.width * plan.picture.height).fill(1);
      const shown = enlarge(white, new Uint8ClampedArray(width * height * 4));
      const away = distances(output, cheap, scale);
      let step = 0;
      let turns = 0;
      const look = (from: number, to: number): void => {
        const rise = shown[to * 4]! - shown[from * 4]!;
        step = Math.max(step, Math.abs(rise));
        const further = away[to]! - away[from]!;
        if (further * rise > 0) turns++;
      };
      for (let i = 0; i < width * height; i++) {
        if (i % width > 0) look(i - 1, i);
        if (i >= width) look(i - width, i);
      }
      expect(step).toBeLessThanOrEqual(Math.ceil(255 / FEATHER));
      expect(turns).toBe(0);
      expect(shown.some((value, i) => i % 4 === 0 && value === 255)).toBe(cheap.length > 0);
    });
  });
});

describe('a stream on WASM', () => {
  const engine = wasmEngine();
  let nano: LoadedModel;
  let recurrent: LoadedModel;

  beforeAll(async () => {
    nano = await shippedModel('mana-nano-x2');
    recurrent = await fixtureModel('recurrent-tiny');
  });

  it('shows resampled tiles for one output, and the network’s pixels without the fade in the next', async () => {
    const size = { width: 101, height: 77 };
    const plans = planStream(nano.manifest, size, { encode: 1e9, fuse: 3600 });
    const stream = await engine.open(nano, { size, ...plans, slots: 7 });
    const { tiles, picture } = plans.fuse;
    const cheap = tiles.filter(({ index }) => index % 2 === 0);
    const network = tiles.filter(({ index }) => index % 2 === 1);
    const frames = [photoFrame(101, 77, 300, 200), photoFrame(101, 77, 304, 202)];
    for (const [slot, frame] of frames.entries()) {
      await stream.pack(frame, slot);
      await stream.encode(slot);
    }
    const show = async (): Promise<Uint8Array> => (await stream.output({ timestampUs: 0 })).data;
    const fuse = async (list: readonly Tile[]): Promise<void> => {
      for (const tile of list) await stream.fuse(Array(7).fill(1), tile);
    };
    await fuse(tiles);
    const all = await show();
    // The tiles that are resampled show another frame's pixels by then.
    for (const tile of cheap) await stream.fuse(Array(7).fill(0), tile);
    await stream.enlarge(1, cheap);
    const resampled = bytesOf(enlarged(packed(frames[1]!, picture), picture, 2), times(picture, 2), times(size, 2));
    const wanted = expected(all, bytes(resampled), times(size, 2), cheap, 2);
    expect(largestDifference(await show(), wanted)).toBeLessThanOrEqual(1);
    expect(largestDifference(wanted, all)).toBeGreaterThan(8);
    expect(stream.times.enlarge).toBeGreaterThan(0);
    await fuse(cheap);
    expect(largestDifference(await show(), all)).toBe(0);
    expect(network.length).toBeGreaterThan(1);
    stream.dispose();
  });

  it('blends resampled tiles with those of the network where tiles overlap', async () => {
    const size = { width: 43, height: 29 };
    const { scale } = recurrent.manifest;
    const plan = planExactTiles(size, { size: 24, overlap: 8 });
    const stream = (await await engine.open(recurrent, { size, encode: plan, fuse: plan, slots: 7 })) as OrtCpuStream<
      PlanarFrame,
      PlanarFrame
    >;
    const frame = photoFrame(43, 29, 300, 200);
    await stream.pack(frame, 0);
    await stream.encode(0);
    const window = Array(7).fill(0);
    const whole = enlarged(packed(frame, plan.picture), plan.picture, scale);
    const wanted = bytesOf(new Float32Array(0), size, times(size, scale));
    const blender = new TileBlender(plan, scale, wanted, times(size, scale));
    const side = 24 * scale;
    const show = async (): Promise<Uint8Array> => (await stream.output({ timestampUs: 0 })).data;
    for (const tile of plan.tiles) {
      await stream.fuse(window, tile);
      blender.put(tile, (await stream.answer(window, tile)).slice());
    }
    const network = await show();
    expect(largestDifference(network, bytes(wanted))).toBe(0);
    const resample = async (tiles: readonly Tile[]): Promise<void> => {
      await stream.enlarge(0, tiles);
      for (const tile of tiles) {
        const cut = Float32Array.from({ length: 3 * side * side }, (_, i) => {
          const [x, y] = [(i % side) + tile.outer.x * scale, (Math.floor(i / side) % side) + tile.outer.y * scale];
          const channel = Math.floor(i / (side * side));
          return whole[(channel * plan.picture.height * scale + y) * plan.picture.width * scale + x]!;
        });
        blender.put(tile, cut);
      }
    };
    await resample(plan.tiles.slice(0, 1));
    expect(largestDifference(await show(), bytes(wanted))).toBeLessThanOrEqual(1);
    expect(largestDifference(network, bytes(wanted))).toBeGreaterThan(8);
    await resample(plan.tiles);
    expect(largestDifference(await show(), bytes(wanted))).toBeLessThanOrEqual(1);
    const picture = bytesOf(whole, times(plan.picture, scale), times(size, scale));
    expect(largestDifference(await show(), bytes(picture))).toBeLessThanOrEqual(1);
    stream.dispose();
  });
});
