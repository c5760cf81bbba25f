import { beforeAll, describe, expect, it } from 'vitest';
import { FEATHER, type LoadedModel } from '../../src/engine/engine.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { Pace } from '../../src/pipeline/pace.js';
import { type Deadline, Upscaler } from '../../src/pipeline/upscaler.js';
import { VirtualClock } from '../support/clock.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { hashOf, photoFrame } from '../support/pictures.js';

const [WIDTH, HEIGHT] = [160, 96];
const engine = wasmEngine();
let model: LoadedModel;

beforeAll(async () => {
  model = await shippedModel('mana-nano-x2');
});

/** Lets the network make so many tiles of each frame, and notes the centres that were begun. */
class Allowance implements Deadline {
  readonly centres: number[] = [];
  #left = 0;

  constructor(readonly tiles: (centre: number) => number) {}

  begin({ index }: { readonly index: number }): void {
    this.centres.push(index);
    this.#left = this.tiles(index);
  }

  next(): boolean {
    return this.#left-- > 0;
  }
}

interface Run {
  readonly out: PlanarFrame[];
  readonly upscaler: Upscaler<PlanarFrame, PlanarFrame>;
}

async function run(frames: readonly PlanarFrame[], deadline?: Deadline): Promise<Run> {
  const out: PlanarFrame[] = [];
  const options = { size: { width: WIDTH, height: HEIGHT }, lookahead: 0, maxTilePixels: 5000, deadline };
  const upscaler = await Upscaler.open(engine, model, { ...options, emit: (frame) => out.push(frame) });
  for (const frame of frames) await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
  upscaler.dispose();
  return { out, upscaler };
}

const pan = (count: number): PlanarFrame[] =>
  Array.from({ length: count }, (_, i) => photoFrame(WIDTH, HEIGHT, i * 3, i * 2, i * 40_000));

/** Whether two pictures agree in a rectangle of output pixels. */
function same(a: PlanarFrame, b: PlanarFrame, x0: number, y0: number, x1: number, y1: number): boolean {
  for (let y = y0; y < y1; y++) {
    const row = (y * WIDTH * 2 + x0) * 4;
    if (Buffer.compare(a.data.subarray(row, row + (x1 - x0) * 4), b.data.subarray(row, row + (x1 - x0) * 4)) !== 0)
      return false;
  }
  return true;
}

describe('the deadline inside a frame', () => {
  it('every frame leaves; the first tiles are the network’s, the others are resampled, and all of that is counted', async () => {
    const frames = pan(6);
    const whole = await run(frames);
    const { tiles } = whole.upscaler.plan;
    expect(tiles.length).toBeGreaterThan(3);
    const allowance = new Allowance((centre) => (centre === 2 ? 1 : centre === 3 ? 0 : tiles.length));
    const cut = await run(frames, allowance);
    expect(cut.out).toHaveLength(6);
    expect(cut.upscaler.counts).toMatchObject({
      framesEncoded: 6,
      framesFused: 6,
      tilesComputed: whole.upscaler.counts.tilesComputed - (tiles.length - 1) - tiles.length,
      tilesCheap: tiles.length - 1 + tiles.length,
    });
    // Encoding is never skipped: as soon as there is time again, frames are the network's to the pixel.
    for (const index of [0, 1, 4, 5]) expect(hashOf(cut.out[index]!.data)).toBe(hashOf(whole.out[index]!.data));
    // The tile nearest to the middle came first; but for its seams it is the network's.
    const middle = tiles.filter(({ core }) => {
      const [x0, y0] = [core.x * 2 + FEATHER, core.y * 2 + FEATHER];
      const [x1, y1] = [(core.x + core.width) * 2 - FEATHER, Math.min(HEIGHT, core.y + core.height) * 2 - FEATHER];
      return same(cut.out[2]!, whole.out[2]!, x0, y0, x1, y1);
    });
    expect(middle).toHaveLength(1);
    const { core } = middle[0]!;
    const far = ({ core: { x, y, width, height } }: { core: typeof core }): number =>
      Math.hypot((x + width / 2) / WIDTH - 0.5, (y + height / 2) / HEIGHT - 0.5);
    expect(far(middle[0]!)).toBe(Math.min(...tiles.map(far)));
  });

  it('a tile that was resampled is computed as soon as there is time, though nothing moves', async () => {
    const frames = Array.from({ length: 20 }, (_, i) => photoFrame(WIDTH, HEIGHT, 40, 40, i * 40_000));
    const whole = await run(frames);
    const cut = await run(frames, new Allowance((centre) => (centre === 17 ? 0 : 99)));
    expect(whole.upscaler.counts.tilesReused).toBeGreaterThan(0);
    // At rest nothing is asked for, so that nothing can come too late.
    expect(cut.upscaler.counts.tilesCheap).toBe(0);
    const early = await run(frames, new Allowance((centre) => (centre >= 10 && centre < 17 ? 0 : 99)));
    expect(early.upscaler.counts.tilesCheap).toBeGreaterThan(0);
    expect(hashOf(early.out[19]!.data)).toBe(hashOf(whole.out[19]!.data));
  });

  it('tiles that move go before tiles that rest', async () => {
    // A still picture, in whose corner a patch moves.
    const frames = Array.from({ length: 6 }, (_, i) => {
      const frame = photoFrame(WIDTH, HEIGHT, 100, 100, i * 40_000);
      const patch = photoFrame(8, 8, 300 + 5 * i, 200);
      for (let y = 0; y < 8; y++) frame.data.set(patch.data.subarray(y * 32, y * 32 + 32), (y * WIDTH + 0) * 4);
      return frame;
    });
    const whole = await run(frames);
    const cut = await run(frames, new Allowance((centre) => (centre === 4 ? 1 : 99)));
    const [first] = whole.upscaler.plan.tiles;
    const { core } = first!;
    expect(same(cut.out[4]!, whole.out[4]!, 0, 0, core.width * 2 - FEATHER, core.height * 2 - FEATHER)).toBe(true);
  });
});

describe('Pace', () => {
  it('has time for a tile as long as tiles of late took no more than what is left', () => {
    const clock = new VirtualClock();
    const pace = new Pace(clock);
    const tiles = (dueMs: number, tileMs: number): number => {
      pace.begin(dueMs);
      let done = 0;
      while (pace.next() && done < 10) {
        clock.to(clock.now() + tileMs);
        done++;
      }
      return done;
    };
    expect(tiles(1000, 10)).toBe(10);
    expect(tiles(clock.now() + 55, 10)).toBe(5);
    expect(tiles(clock.now() - 1, 10)).toBe(0);
    // It learns that tiles take longer now.
    tiles(clock.now() + 1000, 40);
    expect(tiles(clock.now() + 100, 40)).toBe(2);
  });
});
