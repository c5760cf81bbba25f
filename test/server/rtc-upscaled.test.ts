import { processors } from 'mana-upscale/server';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { PlanarScaler } from '../../src/node/planar-scaler.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import type { RoomsOptions } from '../../src/server/rtc/options.js';
import type { RoomsSeams } from '../../src/server/rtc/rooms.js';
import type { SeenPicture } from '../pages/numbered-pictures.js';
import type { PageOpener } from '../support/browser.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { photoFrame } from '../support/pictures.js';
import { upscaledFaults } from '../support/seen.js';
import { openChromium } from '../support/shared-browser.js';
import { impairment } from '../support/whep-impair.js';
import { startRig, until, type WhepRig } from '../support/whep-rig.js';

const SMALL = { width: 160, height: 90 } as const;
/** Few enough for a machine that is busy with something else. */
const FPS = 15;
/** However slow the machine is, the network makes the pictures. */
const UNHURRIED = { budgetMs: 5000, minFrameRate: 0 } as const;

let opened: PageOpener;
let rig: WhepRig;
let pool: ReturnType<typeof processors>;

const start = async (
  options: Partial<RoomsOptions> = {},
  seams?: RoomsSeams,
  choices: Parameters<typeof processors>[0] = {},
): Promise<WhepRig> => {
  pool = processors({ ...UNHURRIED, workers: 1, lookahead: 0, backend: 'cpu', ...choices });
  rig = await startRig(opened, inject('pages'), { openProcessor: pool.open, ...options }, seams);
  return rig;
};

beforeAll(async () => {
  opened = await openChromium();
});
afterAll(() => opened.close());
afterEach(async () => {
  await rig.close();
  await until('the streams’ end', () => pool.size === 0);
  await pool.ended();
});

describe.each(['vp8', 'h264'] as const)('%s, upscaled', (codec) => {
  it('is what the network makes of the published picture', async () => {
    await start();
    const source = photoFrame(SMALL.width, SMALL.height, 100, 150);
    await rig.publish('p', 'a', {
      codec,
      ...SMALL,
      fps: FPS,
      still: Buffer.from(i420(source)).toString('base64'),
    });
    await rig.watch('v', 'a', { video: 'upscaled' });
    await until('the network', () => rig.rooms.streams()[0]?.level === 'full');
    // A still picture gets better for a while.
    await rig.run('seen', 'v');
    await rig.seen('v', 45);
    const seen = Buffer.from(await rig.run<string>('lastLuma', 'v'), 'base64');
    const network = psnr(seen, luma(await byNetwork(source)));
    const scaler = new PlanarScaler({ width: 2 * SMALL.width, height: 2 * SMALL.height }, 'mitchell');
    const cubic = psnr(seen, luma(scaler.scale(source)));
    console.log(`${codec}: ${network.toFixed(1)} dB from the network’s picture, ${cubic.toFixed(1)} dB from cubic.`);
    // Two codecs lie between: at these rates each costs some decibels.
    expect(network).toBeGreaterThan(30);
    expect(network).toBeGreaterThan(cubic + 1);
  });

  it('comes through 2 % of loss, 5 % of reordering and 30 ms of jitter without a wrong picture', async () => {
    const network = impairment({ seed: 7, loss: 0.02, reorder: 0.05, jitterMs: 30 });
    await start({}, { impair: network.impair });
    await rig.publish('p', 'a', { codec, ...SMALL, fps: FPS });
    await rig.watch('v', 'a', { video: 'upscaled' });
    const pictures = await rig.seen('v', 45);
    await until('losses', () => network.lost > 5);
    // What was lost last has its effect on these.
    pictures.push(...(await rig.seen('v', 30)));
    network.stop();
    expectRight(pictures);
  });
});

it('ten viewers see it, and late ones; the publisher changes size, goes, and comes back', async () => {
  await start();
  const session = await rig.publish('p', 'a', { codec: 'vp8', ...SMALL, fps: FPS });
  for (let i = 0; i < 10; i++) await rig.watch(`v${i}`, 'a', { video: 'upscaled' });
  for (let i = 0; i < 10; i++) {
    expectRight(await rig.seen(`v${i}`, 15));
    await until('the upscaled picture', async () => (await rig.seen(`v${i}`, 1)).at(-1)?.width === 320);
  }
  expect(pool.size).toBe(1);
  for (let i = 1; i < 10; i++) await rig.run('stop', `v${i}`);

  for (let i = 0; i < 3; i++) {
    await rig.watch(`late${i}`, 'a', { video: 'upscaled' });
    expectRight(await rig.seen(`late${i}`, 5));
    await rig.run('stop', `late${i}`);
  }

  await rig.run('resize', 'p', 192, 108);
  await until('the other size', async () => (await rig.seen('v0', 5)).at(-1)?.width === 384);
  expectRight(await rig.seen('v0', 15));

  await session.close('The client has ended the session.');
  await rig.run('stop', 'p');
  await rig.run('seen', 'v0');
  await rig.publish('p2', 'a', { codec: 'vp8', ...SMALL, fps: FPS });
  expectRight(await rig.seen('v0', 20), 1);
  await until('the upscaled picture', async () => (await rig.seen('v0', 1)).at(-1)?.width === 320);
});

it('goes on with the publisher’s own pictures where it cannot be upscaled, and back, without a wrong picture', async () => {
  await start({}, undefined, { maxOutputPixels: 320 * 180 });
  await rig.publish('p', 'a', { codec: 'vp8', ...SMALL, fps: FPS });
  await rig.watch('v', 'a', { video: 'upscaled' });
  for (const size of [SMALL, { width: 320, height: 180 }, SMALL]) {
    await rig.run('resize', 'p', size.width, size.height);
    const forwarded = size.width === 320;
    await until('the other source', () => (rig.rooms.streams()[0]?.level === 'pass-through') === forwarded);
    const pictures = await rig.seen('v', 20);
    await until('pictures of twice the size', async () => {
      pictures.push(...(await rig.seen('v', 1)));
      return pictures.at(-1)?.width === 320;
    });
    expectRight(pictures);
    expect(rig.rooms.streams()[0]?.level === 'pass-through').toBe(forwarded);
  }
  await until('a delay', () => (rig.rooms.streams()[0]?.addedDelayMs ?? 0) > 0);
});

/**
 * Expects right pictures, in order.
 * @param publishers who have come since the first, and number their pictures anew
 */
function expectRight(pictures: readonly SeenPicture[], publishers = 0): void {
  const forwarded = rig.events.filter(({ what, detail }) => what === 'level' && detail.startsWith('pass-through'));
  expect(upscaledFaults(pictures, forwarded.length + publishers)).toEqual([]);
}

async function byNetwork(source: PlanarFrame): Promise<PlanarFrame> {
  let made: PlanarFrame | undefined;
  const upscaler = await Upscaler.open(wasmEngine(), await shippedModel('mana-nano-x2'), {
    size: SMALL,
    lookahead: 0,
    emit: (frame) => {
      made = frame;
    },
  });
  for (let i = 0; i < 14; i++) await upscaler.push(source, { times: source, arrivedMs: 0, release: () => undefined });
  await upscaler.flush();
  upscaler.dispose();
  return made!;
}

/** BT.601 in the limited range, as video of this size has. */
function luma({ data, width, height }: PlanarFrame): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) => Math.round(yuv(data, i * 4)[0]));
}

function i420(frame: PlanarFrame): Uint8Array {
  const { data, width, height } = frame;
  const chroma = [1, 2].map((channel) =>
    Uint8Array.from({ length: (width * height) / 4 }, (_, i) => {
      const at = 2 * (i % (width / 2)) + 2 * width * Math.floor(i / (width / 2));
      const four = [at, at + 1, at + width, at + width + 1].map((pixel) => yuv(data, pixel * 4)[channel]!);
      return Math.round(four.reduce((sum, value) => sum + value, 0) / 4);
    }),
  );
  return Buffer.concat([luma(frame), ...chroma]);
}

function yuv(data: Uint8Array, at: number): [number, number, number] {
  const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
  return [
    16 + 0.257 * r + 0.504 * g + 0.098 * b,
    128 - 0.148 * r - 0.291 * g + 0.439 * b,
    128 + 0.439 * r - 0.368 * g - 0.071 * b,
  ];
}

function psnr(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  const sum = a.reduce((total, value, i) => total + (value - b[i]!) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.length) / sum);
}
