import { setTimeout as sleep } from 'node:timers/promises';
import { processors } from 'mana-upscale/server';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { StreamSummary } from '../../src/server/rooms.js';
import type { Claps } from '../pages/lip-sync.js';
import { inPage, openPage, type PageOpener } from '../support/browser.js';
import { openChromium } from '../support/shared-browser.js';
import { startRig, until } from '../support/whep-rig.js';

const MEASURE_MS = 6000;
const MOST_MEASUREMENTS = 4;
const SAY_EVERY_MS = 200;
const STEADY_MS = 20;
/** How much worse than as sent sound and pictures may match. Against nothing even what is sent is up to 20 ms off here. */
const WORSE_MS = 20;
/** Browsers leave sound and pictures alone that are less than this apart; of two streams each has its own such rest. */
const LEFT_MS = 30;
/** How far sound may be from where the server says that it is. */
const DELAY_TOLERANCE_MS = LEFT_MS + 10;
/** The next clap is farther away than this. */
const SAME_CLAP_MS = 390;

let opened: PageOpener;

beforeAll(async () => {
  opened = await openChromium();
});
afterAll(() => opened.close());

it.each([
  { lookahead: 0, settleMs: 4000 },
  { lookahead: 3, settleMs: 6000 },
])('upscaling with lookahead $lookahead delays sound as much as pictures', { retry: 1 }, async (options) => {
  const { lookahead, settleMs } = options;
  const pool = processors({ workers: 1, lookahead, backend: 'cpu' });
  const { page: publisher } = await openPage(opened, inject('pages'));
  const { page: viewers, rooms, close } = await startRig(opened, { openProcessor: pool.open });
  try {
    const offer = await inPage<string>(publisher, 'lip-sync', 'publishOffer', 160, 90, 30);
    const { answerSdp } = await rooms.publish('a', offer);
    await inPage(publisher, 'lip-sync', 'published', answerSdp);
    for (const video of ['source', 'upscaled'] as const) {
      const { answerSdp } = await rooms.watch('a', video, await inPage(viewers, 'lip-sync', 'watchOffer', video));
      await inPage(viewers, 'lip-sync', 'watched', video, answerSdp);
    }
    const stream = (): StreamSummary | undefined => rooms.streams()[0];
    await until('the network', () => stream()?.level === 'full');
    await sleep(settleMs);
    const { source, upscaled, saidMs } = await steadyClaps(viewers, stream);

    const laterMs = median(distances(source.beeps, upscaled.beeps));
    const [asSent, asUpscaled] = [offsets(source), offsets(upscaled)];
    console.log(
      `Lookahead ${lookahead}: a beep comes ${asSent.played.toFixed(0)} ms after its flash as sent, ` +
        `${asUpscaled.played.toFixed(0)} ms upscaled (${asSent.reported.toFixed(0)} and ${asUpscaled.reported.toFixed(0)} ms ` +
        `without what browsers left as it was); upscaled beeps ${laterMs.toFixed(0)} ms later, ${saidMs.toFixed(0)} ms as ` +
        `the server says; ${source.flashes.length} and ${upscaled.flashes.length} flashes.`,
    );
    expect(source.flashes.length).toBeGreaterThanOrEqual(5);
    expect(upscaled.flashes.length).toBeGreaterThanOrEqual(5);
    expect(Math.abs(asUpscaled.played - asSent.played)).toBeLessThanOrEqual(WORSE_MS + LEFT_MS);
    expect(Math.abs(asUpscaled.reported - asSent.reported)).toBeLessThanOrEqual(WORSE_MS);
    expect(Math.abs(laterMs - saidMs)).toBeLessThanOrEqual(DELAY_TOLERANCE_MS);
    // Otherwise little of this has been tested.
    if (lookahead > 0) expect(saidMs).toBeGreaterThan(60);
  } finally {
    await close();
    await publisher.close();
    await pool.ended();
  }
});

/**
 * Claps of a time in which upscaling took equally long: on a machine that is busy with something else as well it waits for
 * fewer pictures, and what follows from that takes a while.
 */
async function steadyClaps(
  viewers: Page,
  stream: () => StreamSummary | undefined,
): Promise<{ source: Claps; upscaled: Claps; saidMs: number }> {
  for (let left = MOST_MEASUREMENTS; ; left--) {
    await until('the network', () => stream()?.level === 'full');
    await inPage(viewers, 'lip-sync', 'claps');
    const said: number[] = [];
    for (let passedMs = 0; passedMs < MEASURE_MS; passedMs += SAY_EVERY_MS) {
      said.push(stream()?.addedDelayMs ?? 0);
      await sleep(SAY_EVERY_MS);
    }
    const claps = await inPage<Record<'source' | 'upscaled', Claps>>(viewers, 'lip-sync', 'claps');
    const steady = Math.max(...said) - Math.min(...said) <= STEADY_MS;
    if (steady || left <= 1) return { ...claps, saidMs: median(said) };
  }
}

/**
 * How long after a flash its beep comes: as it is played, and as it would be if the browser had made good all that sender
 * reports say: the second is what the server answers for, whichever rest this browser leaves this time.
 */
function offsets({ flashes, beeps, reckoned }: Claps): { played: number; reported: number } {
  const played = median(distances(flashes, beeps));
  return { played, reported: played - median(reckoned) };
}

/** How long after each instant the nearest of the others came, or before it. */
function distances(instants: readonly number[], others: readonly number[]): number[] {
  return instants.flatMap((instant) => {
    const nearest = others.map((other) => other - instant).sort((a, b) => Math.abs(a) - Math.abs(b))[0];
    return nearest !== undefined && Math.abs(nearest) < SAME_CLAP_MS ? [nearest] : [];
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
