import { beforeAll, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import { Resampler } from '../../src/engine/mitchell.js';
import type { PlanarFrame, Size } from '../../src/frame/frame.js';
import { planStream } from '../../src/pipeline/tiles.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { fixtureModel } from '../support/fixtures.js';
import { wasmEngine } from '../support/models.js';
import { photoFrame } from '../support/pictures.js';

const SIZE = { width: 61, height: 37 };
const SCALE = 2;
const OUTPUT = 4 * SIZE.width * SIZE.height * SCALE ** 2;
const MOST = 1000;
const TILE = { size: 24, overlap: 8 };

let tiny: LoadedModel;
let blended: LoadedModel;

beforeAll(async () => {
  tiny = await fixtureModel('recurrent-tiny');
  blended = { ...tiny, manifest: { ...tiny.manifest, tile: TILE } };
});

/** What the stream holds at each of 50 outputs of a pan. */
async function held(model: LoadedModel, maxTilePixels: number): Promise<number[]> {
  const bytes: number[] = [];
  const upscaler: Upscaler<PlanarFrame, PlanarFrame> = await Upscaler.open(wasmEngine(), model, {
    size: SIZE,
    lookahead: 3,
    maxTilePixels,
    emit: () => bytes.push(upscaler.stream.bytes),
  });
  for (let i = 0; i < 53; i++) {
    const frame = photoFrame(SIZE.width, SIZE.height, 100 + 3 * i, 100, i * 40_000);
    await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
  }
  upscaler.dispose();
  expect(bytes).toHaveLength(50);
  // The ring fills; then nothing grows.
  expect(new Set(bytes.slice(3)).size).toBe(1);
  return bytes;
}

/** Planes of stride 1, fp32. */
const planes = (channels: number, { width, height }: Size): number => 4 * channels * width * height;

it('a stream on WASM holds its ring and two pictures, and not more after 50 frames', async () => {
  const bytes = await held(tiny, Number.POSITIVE_INFINITY);
  const picture = { width: 64, height: 40 };
  // Frames and near planes in seven slots; features of the newest frame and the two between it and the centre.
  const ring = 7 * planes(3 + 4, picture) + 3 * planes(8, picture);
  expect(bytes.at(-1)).toBe(ring + 2 * OUTPUT + new Resampler(picture, SCALE).bytes);
});

it('where tiles are cut, one of each input too, and features to use again', async () => {
  const bytes = await held(tiny, MOST);
  const whole = await held(tiny, Number.POSITIVE_INFINITY);
  const { encode, fuse } = planStream(tiny.manifest, SIZE, { encode: MOST, fuse: MOST });
  expect(Math.min(encode.tiles.length, fuse.tiles.length)).toBeGreaterThan(1);
  const channels = (inputs: Readonly<Record<string, { readonly plane: string }>>): number =>
    Object.values(inputs).reduce((sum, { plane }) => sum + tiny.manifest.planes[plane]!.channels, 0);
  const cuts =
    planes(channels(tiny.manifest.encode.inputs), encode.tileSize) +
    planes(channels(tiny.manifest.fuse.inputs), fuse.tileSize);
  expect(bytes.at(-1)).toBe(whole.at(-1)! + cuts + planes(8, encode.picture));
});

it('where tiles are blended, planes and an output for each', async () => {
  const bytes = await held(blended, Number.POSITIVE_INFINITY);
  const { picture, tiles, tileSize } = planStream(blended.manifest, SIZE, { encode: MOST, fuse: MOST }).fuse;
  const out = planes(3, { width: TILE.size * SCALE, height: TILE.size * SCALE });
  const each = 7 * planes(4, tileSize) + 3 * planes(8, tileSize) + out;
  // Packed pictures are whole; each graph has its cut. One more output is where shares are added up.
  const frames = 7 * planes(3, picture) + 2 * planes(3, tileSize);
  const shared = frames + out + OUTPUT + new Resampler(picture, SCALE).bytes;
  expect(bytes.at(-1)).toBe(tiles.length * each + shared);
});
