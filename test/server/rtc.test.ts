import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { RoomsOptions } from '../../src/server/rtc/options.js';
import type { RoomsSeams } from '../../src/server/rtc/rooms.js';
import type { SeenPicture } from '../pages/numbered-pictures.js';
import type { PageOpener } from '../support/browser.js';
import { faults, setbacks, wrong } from '../support/seen.js';
import { openChromium } from '../support/shared-browser.js';
import { impairment } from '../support/whep-impair.js';
import { passThrough } from '../support/whep-processor.js';
import { startRig, until, type WhepRig } from '../support/whep-rig.js';

let opened: PageOpener;
let rig: WhepRig;

const start = async (options?: Partial<RoomsOptions>, seams?: RoomsSeams): Promise<WhepRig> => {
  rig = await startRig(opened, inject('pages'), options, seams);
  return rig;
};

beforeAll(async () => {
  opened = await openChromium();
});
afterAll(() => opened.close());
afterEach(() => rig.close());

describe.each(['vp8', 'h264'] as const)('%s', (codec) => {
  it('arrives as it was sent, in order; goes on when the publisher changes size, and comes back in another session', async () => {
    await start();
    const session = await rig.publish('p', 'a', { codec });
    const viewer = await rig.watch('v', 'a');
    const pictures = await rig.seen('v', 30);
    expect(faults(pictures)).toEqual([]);
    expect(pictures.at(-1)).toMatchObject({ width: 320, height: 180 });
    expect(rig.rooms.streams()).toMatchObject([
      { name: 'a', codec, width: 320, height: 180, viewers: { source: 1, upscaled: 0 } },
    ]);

    await rig.run('resize', 'p', 480, 272);
    const larger = await seenUntil('v', 480);
    expect(faults(larger)).toEqual([]);
    expect(larger.at(-1)).toMatchObject({ width: 480, height: 272 });
    expect(rig.rooms.streams()[0]?.width).toBe(480);

    await session.close('The client has ended the session.');
    expect(rig.rooms.streams()).toEqual([]);
    await rig.run('stop', 'p');
    await rig.publish('p2', 'a', { codec });
    await expectAnew('v');
    expect(rig.rooms.session(viewer.id)).toBe(viewer);
  });

  it('survives 2 % of loss, 5 % of reordering and 30 ms of jitter without a wrong picture', async () => {
    const network = impairment({ seed: 7, loss: 0.02, reorder: 0.05, jitterMs: 30 });
    await start({}, { impair: network.impair });
    await rig.publish('p', 'a', { codec });
    await rig.watch('v', 'a');
    const pictures = await rig.seen('v', 60);
    await until('losses', () => network.lost > 5);
    // What was lost last has its effect on these.
    pictures.push(...(await rig.seen('v', 30)));
    network.stop();
    expect(faults(pictures)).toEqual([]);
  });
});

it('late viewers begin with a right picture', async () => {
  await start();
  await rig.publish('p', 'a', { codec: 'vp8' });
  await rig.watch('v', 'a');
  await rig.seen('v', 30);
  for (let i = 0; i < 3; i++) {
    await rig.watch(`late${i}`, 'a');
    expect(faults(await rig.seen(`late${i}`, 5))).toEqual([]);
    await rig.run('stop', `late${i}`);
  }
});

it('ten viewers see the same stream', async () => {
  await start();
  await rig.publish('p', 'a', { codec: 'vp8', width: 160, height: 90, fps: 15 });
  for (let i = 0; i < 10; i++) await rig.watch(`v${i}`, 'a');
  for (let i = 0; i < 10; i++) expect(faults(await rig.seen(`v${i}`, 15))).toEqual([]);
  expect(rig.rooms.streams()[0]?.viewers).toEqual({ source: 10, upscaled: 0 });
});

it('a publisher who comes back with another codec ends its viewers, with the reason', async () => {
  await start();
  const session = await rig.publish('p', 'a', { codec: 'vp8' });
  const viewer = await rig.watch('v', 'a');
  await rig.seen('v', 10);
  await session.close('The client has ended the session.');
  await rig.publish('p2', 'a', { codec: 'h264' });
  expect(await viewer.closed).toBe('The publisher has come back with another codec.');
  await rig.watch('v2', 'a');
  expect(faults(await rig.seen('v2', 30))).toEqual([]);
});

it('of a simulcast the best layer that fits is shown, and another when it ends', async () => {
  await start({ limits: { maxPixels: 400 * 300 } });
  await rig.publish('p', 'a', { codec: 'vp8', width: 640, height: 360, layers: 3, fps: 15 });
  await rig.watch('v', 'a');
  expect(faults(await seenUntil('v', 320))).toEqual([]);
  expect(faults(await rig.seen('v', 30))).toEqual([]);
  await rig.run('activeLayers', 'p', [true, false, false]);
  expect(faults(await seenUntil('v', 160))).toEqual([]);
  expect(faults(await rig.seen('v', 15))).toEqual([]);
});

it('of a simulcast that layer is upscaled which the machine can take', async () => {
  let affordable = 320 * 180;
  const processors = passThrough();
  const pixelsPerSecond = () => affordable * 30;
  await start({ openProcessor: processors.open, pixelsPerSecond });
  // Chromium sends no more than two layers of so small a picture.
  await rig.publish('p', 'a', { codec: 'vp8', width: 640, height: 360, layers: 2, fps: 15 });
  await rig.watch('s', 'a');
  await rig.watch('v', 'a', { video: 'upscaled' });
  await seenUntil('s', 640);
  await seenUntil('v', 320);
  affordable = 640 * 360 * 1.1;
  const pictures = await rig.seen('v', 30);
  expect(faults(pictures)).toEqual([]);
  expect(pictures.at(-1)?.width, 'no change for a layer without room to spare').toBe(320);
  affordable = 640 * 360 * 1.3;
  await seenUntil('v', 640);
});

describe.each(['vp8', 'h264'] as const)('upscaled %s', (codec) => {
  it('is what the processor makes; its own source where it is too busy; and back, with numbers that go on', async () => {
    const processors = passThrough();
    await start({ openProcessor: processors.open });
    await rig.publish('p', 'a', { codec });
    expect(processors.opened).toHaveLength(0);
    const viewer = await rig.watch('v', 'a', { video: 'upscaled' });
    await rig.watch('v2', 'a', { video: 'upscaled' });
    await rig.watch('s', 'a');
    expect(faults(await rig.seen('v', 30))).toEqual([]);
    expect(processors.opened).toHaveLength(1);
    const processor = processors.opened[0]!;
    expect(processor.pictures).toBeGreaterThanOrEqual(30);
    const summary = rig.rooms.streams()[0];
    expect(summary).toMatchObject({
      level: 'pass-through',
      levelReason: 'A test.',
      viewers: { source: 1, upscaled: 2 },
    });
    const seen: SeenPicture[] = [];
    const switches = [true, false, true, false];
    for (const busy of switches) {
      processor.busy(busy);
      seen.push(...(await rig.seen('v', 20)));
    }
    // A source that takes over may lag behind the other one, and shows the last pictures once more.
    for (const pictures of [seen, await rig.seen('v2', 60)]) {
      expect(wrong(pictures)).toEqual([]);
      expect(setbacks(pictures).length).toBeLessThanOrEqual(switches.length);
    }
    expect(processor.bitrates).not.toEqual([]);
    await viewer.close('Enough.');
    expect(processor.closed).toBe(false);
    // Its page closes the connection, and says so.
    await rig.run('stop', 'v2');
    await until('the processor to close', () => processor.closed);
  });

  it('late viewers and returned publishers begin with a keyframe', async () => {
    const processors = passThrough();
    await start({ openProcessor: processors.open });
    const session = await rig.publish('p', 'a', { codec });
    await rig.watch('v', 'a', { video: 'upscaled' });
    await rig.seen('v', 30);
    await rig.watch('late', 'a', { video: 'upscaled' });
    expect(faults(await rig.seen('late', 1))).toEqual([]);
    await session.close('The client has ended the session.');
    await rig.run('stop', 'p');
    await rig.publish('p2', 'a', { codec });
    await expectAnew('v');
    expect(processors.opened).toHaveLength(1);
  });
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

  it('a publisher who does not connect is ended; viewers wait for another one as long as they may', async () => {
    await start({ limits: { publisherGraceMs: 500 } });
    await rig.publish('p', 'a', { codec: 'vp8' });
    const viewer = await rig.watch('v', 'a');
    await rig.seen('v', 10);
    // Its page closes the connection, and says so.
    await rig.run('stop', 'p');
    expect(await viewer.closed).toBe('The publisher has gone.');
    expect(rig.rooms.streams()).toEqual([]);
    await rig.close();
    await start({ limits: { connectTimeoutMs: 300 } });
    const offer = await rig.run<string>('publishOffer', 'p', { codec: 'vp8', width: 64, height: 64 });
    const silent = await rig.rooms.publish('a', offer);
    expect(await silent.closed).toBe('It did not connect in time.');
  });
});

it('nothing is left when all is closed', async () => {
  await start();
  await rig.publish('p', 'a', { codec: 'vp8' });
  await rig.watch('v', 'a');
  await rig.seen('v', 10);
  expect(handles()).not.toEqual([]);
  await rig.rooms.close('The test is over.');
  await until('an empty process', () => handles().length === 0);
});

/** Expects that a viewer goes on to right pictures, in order, of a publisher who numbers them anew. */
async function expectAnew(id: string): Promise<void> {
  // Those that were on their way, and then more than can have been.
  const pictures = [...(await rig.seen(id, 1)), ...(await rig.seen(id, 30))];
  expect(wrong(pictures)).toEqual([]);
  expect(setbacks(pictures).length).toBeLessThanOrEqual(1);
}

/** Pictures that a viewer sees until they are so wide. */
async function seenUntil(id: string, width: number): Promise<SeenPicture[]> {
  const pictures: SeenPicture[] = [];
  await until(`a picture ${width} wide`, async () => {
    pictures.push(...(await rig.seen(id, 1)));
    return pictures.at(-1)?.width === width;
  });
  return pictures;
}

/** UDP sockets, and timers that keep the process: none of them is the test's own. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /UDP/i.test(name));
}
