import { processors } from 'mana-upscale/server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RoomsOptions } from '../../src/server/rtc/options.js';
import type { RoomsSeams } from '../../src/server/rtc/rooms.js';
import { impairment } from '../support/whep-impair.js';
import { faults, openBrowser, startRig, until, type WhepBrowser, type WhepRig } from '../support/whep-rig.js';

const SMALL = { width: 160, height: 90 } as const;
let opened: WhepBrowser;
let rig: WhepRig;
let pool: ReturnType<typeof processors>;

const start = async (options: Partial<RoomsOptions> = {}, seams?: RoomsSeams): Promise<WhepRig> => {
  pool = processors({ workers: 1, lookahead: 0, backend: 'cpu' });
  rig = await startRig(opened, { openProcessor: pool.open, ...options }, seams);
  return rig;
};

beforeAll(async () => {
  opened = await openBrowser();
});
afterAll(() => opened.close());
afterEach(async () => {
  await rig.close();
  await until('the streams’ end', () => pool.size === 0);
  await pool.ended();
});

describe.each(['vp8', 'h264'] as const)('%s, upscaled', (codec) => {
  it('is the published picture, twice as large', { retry: 1 }, async () => {
    await start();
    await rig.publish('p', 'a', { codec, ...SMALL });
    await rig.watch('v', 'a', { video: 'upscaled' });
    await until('the network', () => rig.rooms.streams()[0]?.level === 'full');
    const pictures = await rig.seen('v', 60);
    expect(faults(pictures)).toEqual([]);
    expect(pictures.at(-1)).toMatchObject({ width: 320, height: 180 });
    expect(rig.rooms.streams()[0]?.addedDelayMs).toBeGreaterThan(0);
  });

  it('comes through 2 % of loss, 5 % of reordering and 30 ms of jitter without a wrong picture', {
    retry: 1,
  }, async () => {
    const network = impairment({ seed: 7, loss: 0.02, reorder: 0.05, jitterMs: 30 });
    await start({}, { impair: network.impair });
    await rig.publish('p', 'a', { codec, ...SMALL });
    await rig.watch('v', 'a', { video: 'upscaled' });
    const pictures = await rig.seen('v', 150, 30_000);
    network.stop();
    expect(faults(pictures)).toEqual([]);
    expect(network.lost).toBeGreaterThan(5);
  });
});
