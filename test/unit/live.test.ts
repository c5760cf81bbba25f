import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import { byNetwork } from '../../src/pipeline/levels.js';
import { feed, type LiveStream, liveRig, world } from '../support/live-rig.js';
import { shippedModel } from '../support/models.js';

const models = new Map<string, LoadedModel>();
let rig: ReturnType<typeof liveRig>;
let streams: LiveStream[];

beforeAll(async () => {
  for (const name of ['mana-live-x2', 'mana-nano-x2']) models.set(name, await shippedModel(name));
});

beforeEach(() => {
  Object.assign(world, {
    stallMs: 0,
    tilePixels: Number.POSITIVE_INFINITY,
    refusedWidth: 0,
    open: 0,
    streams: 0,
    workers: 0,
  });
  Object.assign(world.costMs, { 'mana-live-x2': 20, 'mana-nano-x2': 5 });
  rig = liveRig(models);
  streams = [];
});

afterEach(async () => {
  for (const { io } of streams) await io.close();
  await vi.advanceTimersByTimeAsync(2000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  // Whatever happened, every frame is closed and every pipeline let go of.
  expect({ open: world.open, streams: world.streams }).toEqual({ open: 0, streams: 0 });
});

function open(id: number, options?: Parameters<typeof rig.open>[1]): LiveStream {
  const stream = rig.open(id, options);
  streams.push(stream);
  return stream;
}

function levels({ events }: LiveStream): string[] {
  return events.flatMap((event) => (event.type === 'level' && event.from !== event.to ? [event.to] : []));
}

describe('the live core in virtual time', () => {
  it('what came in is out, dropped by a cause, or inside', async () => {
    const { io } = open(1);
    let time = await feed([io], 200, 0);
    world.costMs['mana-live-x2'] = 90;
    time = await feed([io], 200, time);
    await feed([io], 100, time, [96]);
    const { framesReceived, framesDelivered, framesDropped, queueLength } = io.stats();
    const dropped = Object.values(framesDropped).reduce((sum, count) => sum + count, 0);
    expect(framesReceived - framesDelivered - dropped).toBe(queueLength);
  });

  it.each([150, 300, 900])('one stall of %i ms: the network makes whole frames again', async (stallMs) => {
    world.tilePixels = 8000;
    const stream = open(1);
    const time = await feed([stream.io], 200, 0);
    world.stallMs = stallMs;
    const later = await feed([stream.io], 60, time);
    const before = stream.io.stats();
    await feed([stream.io], 300, later);
    const after = stream.io.stats();
    expect(after.tilesCheap - before.tilesCheap).toBe(0);
    expect(after.framesByLevel.full - before.framesByLevel.full).toBeGreaterThan(295);
    expect(after.lookahead).toBe(3);
    expect(levels(stream)).toEqual(['full']);
  });

  it.each([
    [75, Number.POSITIVE_INFINITY],
    [120, Number.POSITIVE_INFINITY],
    [120, 8000],
  ])(
    'a network that takes %i ms, in tiles of at most %s pixels: the smaller one makes whole frames, not this one pieces',
    async (costMs, tilePixels) => {
      world.tilePixels = tilePixels;
      const stream = open(1);
      const time = await feed([stream.io], 200, 0);
      Object.assign(world.costMs, { 'mana-live-x2': costMs, 'mana-nano-x2': costMs / 4 });
      const later = await feed([stream.io], 240, time);
      const before = stream.io.stats();
      await feed([stream.io], 600, later);
      const after = stream.io.stats();
      expect(after.level).toBe('small');
      expect(after.model).toBe('mana-nano-x2');
      const computed = after.tilesComputed - before.tilesComputed;
      expect(after.tilesCheap - before.tilesCheap).toBeLessThan(computed * 0.05);
      expect(after.framesByLevel.small - before.framesByLevel.small).toBeGreaterThan(550);
      expect(after.addedDelayMs.p95).toBeLessThanOrEqual(200);
    },
  );

  it('a source that begins again while the network is slow: its frames leave, and no old one after them', async () => {
    const stream = open(1);
    await feed([stream.io], 150, 600e6);
    world.costMs['mana-live-x2'] = 150;
    stream.io.interrupt('source');
    const before = stream.out.length;
    await feed([stream.io], 150, 0);
    const after = stream.out.slice(before).map(({ timestamp }) => timestamp);
    const first = after.findIndex((timestamp) => timestamp < 300e6);
    expect(after.slice(first).every((timestamp) => timestamp < 300e6)).toBe(true);
    expect(after.length - first).toBeGreaterThan(100);
  });

  it('memory that one stream is refused costs another nothing', async () => {
    world.refusedWidth = 64;
    const [first, second] = [open(1, { priority: 1 }), open(2)];
    const time = await feed([first.io], 100, 0);
    const before = first.io.stats().framesByLevel.full;
    await feed([first.io, second.io], 300, time);
    expect(first.io.stats().framesByLevel.full - before).toBeGreaterThan(298);
    expect(rig.link.restarts).toBe(0);
    expect(second.io.stats().levelReason).toBe('There is no memory for that.');
  });

  it('where there is time for one network, the largest picture has it, or the one in focus', async () => {
    world.costMs['mana-nano-x2'] = 28;
    const all = [1, 2, 3, 4].map((id) => open(id, { model: 'mana-nano-x2' }));
    const sources = all.map(({ io }) => io);
    const widths = [192, 96, 96, 48];
    const networks = (): boolean[] => sources.map((io) => byNetwork(io.stats().level));
    const time = await feed(sources, 600, 0, widths);
    expect(networks()).toEqual([true, false, false, false]);
    for (const io of sources.slice(1)) expect(io.stats().levelReason).toMatch(/takes \d+ ms/);
    sources[3]!.priority = 1;
    await feed(sources, 2400, time, widths);
    expect(networks()).toEqual([false, false, false, true]);
    expect(rig.link.restarts).toBe(0);
  });

  it('a stream that gives no frames leaves its share of the engine to others', async () => {
    world.costMs['mana-live-x2'] = 28;
    const [first, second] = [open(1, { priority: 1 }), open(2)];
    const time = await feed([first.io, second.io], 200, 0);
    expect(first.io.stats().level).toBe('full');
    expect(['fast', 'pass-through']).toContain(second.io.stats().level);
    await feed([second.io], 900, time, [64]);
    expect(second.io.stats().backend).toBe('webgpu');
  });

  it('counts go on where a network begins anew, and are not counted twice', async () => {
    const { io } = open(1);
    let time = await feed([io], 100, 0);
    for (const width of [96, 192, 96]) time = await feed([io], 60, time, [width]);
    const { framesEncoded, framesReceived } = io.stats();
    expect(framesEncoded).toBeLessThanOrEqual(framesReceived);
    expect(framesEncoded).toBeGreaterThan(framesReceived * 0.9);
  });

  it('in a worker that is new the smaller network is the smaller one', async () => {
    Object.assign(world.costMs, { 'mana-live-x2': 120, 'mana-nano-x2': 25 });
    const stream = open(1, { model: 'auto' });
    await feed([stream.io], 300, 0);
    expect(stream.io.stats()).toMatchObject({ level: 'small', model: 'mana-nano-x2' });
  });
});
