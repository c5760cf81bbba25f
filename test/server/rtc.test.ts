import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RoomsOptions } from '../../src/server/rtc/options.js';
import type { RoomsSeams } from '../../src/server/rtc/rooms.js';
import { impairment } from '../support/whep-impair.js';
import { faults, openBrowser, startRig, until, type WhepBrowser, type WhepRig } from '../support/whep-rig.js';

let opened: WhepBrowser;
let rig: WhepRig;

const start = async (options?: Partial<RoomsOptions>, seams?: RoomsSeams): Promise<WhepRig> => {
  rig = await startRig(opened, options, seams);
  return rig;
};

beforeAll(async () => {
  opened = await openBrowser();
});
afterAll(() => opened.close());
afterEach(() => rig.close());

describe.each(['vp8', 'h264'] as const)('%s', (codec) => {
  it('arrives as it was sent, in order, from a keyframe on', async () => {
    await start();
    await rig.publish('p', 'a', { codec });
    await rig.watch('v', 'a');
    const pictures = await rig.seen('v', 90);
    expect(pictures.length).toBeGreaterThanOrEqual(90);
    expect(faults(pictures)).toEqual([]);
    expect(pictures.at(-1)).toMatchObject({ width: 320, height: 180 });
    expect(rig.rooms.streams()).toMatchObject([
      { name: 'a', codec, width: 320, height: 180, viewers: { source: 1, upscaled: 0 } },
    ]);
  });

  it('goes on when the publisher changes the size', async () => {
    await start();
    await rig.publish('p', 'a', { codec });
    await rig.watch('v', 'a');
    const before = await rig.seen('v', 30);
    await rig.run('resize', 'p', 480, 272);
    const after = await rig.seen('v', 90);
    expect(faults([...before, ...after])).toEqual([]);
    expect(after.at(-1)).toMatchObject({ width: 480, height: 272 });
    await until('the size', () => rig.rooms.streams()[0]?.width === 480);
  });

  it('goes on when the publisher comes back in another session', async () => {
    await start();
    const session = await rig.publish('p', 'a', { codec });
    const viewer = await rig.watch('v', 'a');
    await rig.seen('v', 30);
    await session.close('The client has ended the session.');
    expect(rig.rooms.streams()).toEqual([]);
    await rig.run('stop', 'p');
    await rig.run('seen', 'v');
    await rig.publish('p2', 'a', { codec });
    const pictures = await rig.seen('v', 60);
    expect(faults(pictures)).toEqual([]);
    expect(rig.rooms.session(viewer.id)).toBe(viewer);
  });

  it('survives 2 % of loss, 5 % of reordering and 30 ms of jitter without a wrong picture', async () => {
    const network = impairment({ seed: 7, loss: 0.02, reorder: 0.05, jitterMs: 30 });
    await start({}, { impair: network.impair });
    await rig.publish('p', 'a', { codec });
    await rig.watch('v', 'a');
    const pictures = await rig.seen('v', 240, 30_000);
    network.stop();
    // Ten seconds of pictures at most: it does not stand still for long.
    expect(pictures.length).toBeGreaterThanOrEqual(240);
    expect(faults(pictures)).toEqual([]);
    expect(network.lost).toBeGreaterThan(10);
  });
});

it('a late viewer sees a picture soon', async () => {
  await start();
  await rig.publish('p', 'a', { codec: 'vp8' });
  await rig.watch('v', 'a');
  await rig.seen('v', 60);
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    await rig.watch(`late${i}`, 'a');
    const [first] = await rig.seen(`late${i}`, 1);
    times.push((first?.atMs ?? Number.POSITIVE_INFINITY) - (await rig.run<number>('connectedAt', `late${i}`)));
    await rig.run('stop', `late${i}`);
  }
  console.log(`Late viewers: first picture after ${times.map((ms) => ms.toFixed(0)).join(', ')} ms.`);
  times.sort((a, b) => a - b);
  expect(times[2]).toBeLessThan(500);
  expect(times[4]).toBeLessThan(1500);
});

it('ten viewers see the same stream', async () => {
  await start();
  await rig.publish('p', 'a', { codec: 'vp8' });
  for (let i = 0; i < 10; i++) await rig.watch(`v${i}`, 'a');
  for (let i = 0; i < 10; i++) {
    const pictures = await rig.seen(`v${i}`, 60);
    expect(pictures.length).toBeGreaterThanOrEqual(60);
    expect(faults(pictures)).toEqual([]);
  }
  expect(rig.rooms.streams()[0]?.viewers).toEqual({ source: 10, upscaled: 0 });
});

describe('limits', () => {
  it('a viewer of no stream, of another codec, and a second publisher are refused', async () => {
    await start();
    const offer = await rig.run<string>('watchOffer', 'v');
    await expect(rig.rooms.watch('a', 'source', offer)).rejects.toMatchObject({ status: 404 });
    await rig.publish('p', 'a', { codec: 'h264' });
    const vp8 = await rig.run<string>('watchOffer', 'v2', { codec: 'vp8' });
    await expect(rig.rooms.watch('a', 'source', vp8)).rejects.toMatchObject({ status: 406 });
    await expect(rig.rooms.watch('a', 'upscaled', offer)).rejects.toMatchObject({ status: 404 });
    const second = await rig.run<string>('publishOffer', 'p2', { codec: 'vp8', width: 64, height: 64 });
    await expect(rig.rooms.publish('a', second)).rejects.toMatchObject({ status: 409 });
  });

  it('more streams, viewers and peers than allowed are refused', async () => {
    await start({ limits: { streams: 1, viewersPerStream: 1, peers: 3 } });
    await rig.publish('p', 'a', { codec: 'vp8' });
    await expect(rig.publish('p2', 'b', { codec: 'vp8' })).rejects.toMatchObject({ status: 503 });
    await rig.watch('v', 'a');
    await expect(rig.watch('v2', 'a')).rejects.toMatchObject({ status: 503 });
  });

  it('a picture that is too large ends the publisher', async () => {
    await start({ limits: { maxPixels: 400 * 300 } });
    const session = await rig.publish('p', 'a', { codec: 'vp8' });
    await rig.watch('v', 'a');
    await rig.seen('v', 10);
    await rig.run('resize', 'p', 640, 360);
    expect(await session.closed).toBe('A picture of 640x360 is larger than is allowed.');
  });

  it('a publisher who does not connect, or sends nothing, is ended; viewers wait as long as they may', async () => {
    await start({ limits: { connectTimeoutMs: 500, idleMs: 1000, publisherGraceMs: 700 } });
    const offer = await rig.run<string>('publishOffer', 'p', { codec: 'vp8', width: 64, height: 64 });
    const silent = await rig.rooms.publish('a', offer);
    expect(await silent.closed).toBe('It did not connect in time.');
    await rig.run('stop', 'p');
    await rig.publish('p2', 'b', { codec: 'vp8' });
    const viewer = await rig.watch('v', 'b');
    await rig.seen('v', 10);
    await rig.run('stop', 'p2');
    expect(await viewer.closed).toBe('The publisher has gone.');
    expect(rig.rooms.streams()).toEqual([]);
  });
});

it('nothing is left when all is closed', async () => {
  await start();
  await rig.publish('p', 'a', { codec: 'vp8' });
  await rig.watch('v', 'a');
  await rig.seen('v', 10);
  expect(handles()).not.toEqual([]);
  await rig.rooms.close('The test is over.');
  await until('an empty process', () => handles().length === 0, 2000);
});

/** UDP sockets, and timers that keep the process: none of them is the test's own. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /UDP/i.test(name));
}
