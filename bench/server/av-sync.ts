import { setTimeout as sleep } from 'node:timers/promises';
import { processors } from 'mana-upscale/server';
import type { Page } from 'puppeteer-core';
import type { StreamSummary } from '../../src/server/rooms.js';
import type { Claps } from '../../test/pages/lip-sync.js';
import { inPage, openPage, type PageOpener } from '../../test/support/browser.js';
import { startRig, until } from '../../test/support/whep-rig.js';
import { percentiles } from './percentiles.js';
import { withBrowser } from './rig.js';
import type { Limit } from './verdict.js';

/** How well sound and pictures match, as sent and upscaled. */
export interface SyncResult {
  readonly lookahead: number;
  readonly limits: readonly Limit[];
}

const MEASURE_MS = 6000;
const SETTLE_MS = 6000;
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

/** Publishes a clapper, and compares when its viewers see flashes and hear beeps, as sent and upscaled. */
export function avSync(lookahead: number): Promise<SyncResult> {
  return withBrowser((browser, pages) => measure(browser, pages, lookahead));
}

async function measure(browser: PageOpener, pages: string, lookahead: number): Promise<SyncResult> {
  const pool = processors({ workers: 1, lookahead, backend: 'cpu' });
  const { page: publisher } = await openPage(browser, pages);
  const { page: viewers, rooms, close } = await startRig(browser, pages, { openProcessor: pool.open });
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
    await sleep(SETTLE_MS);
    const { source, upscaled, saidMs } = await steadyClaps(viewers, stream);

    const laterMs = percentiles(distances(source.beeps, upscaled.beeps)).p50;
    const [asSent, asUpscaled] = [offsets(source), offsets(upscaled)];
    const apart = (a: number, b: number): number => Math.abs(a - b);
    return {
      lookahead,
      limits: [
        { what: 'flashes that were seen as sent', value: source.flashes.length, atLeast: 5 },
        { what: 'flashes that were seen upscaled', value: upscaled.flashes.length, atLeast: 5 },
        {
          what: 'from flash to beep: upscaled against as sent',
          value: apart(asUpscaled.played, asSent.played),
          unit: 'ms',
          atMost: WORSE_MS + LEFT_MS,
        },
        {
          what: 'the same, without what browsers left as it was',
          value: apart(asUpscaled.reported, asSent.reported),
          unit: 'ms',
          atMost: WORSE_MS,
        },
        {
          what: 'how much later beeps come: against what the server says',
          value: apart(laterMs, saidMs),
          unit: 'ms',
          atMost: DELAY_TOLERANCE_MS,
        },
        // Otherwise little of this has been tested.
        { what: 'delay that upscaling adds', value: saidMs, unit: 'ms', atLeast: lookahead > 0 ? 60 : 0 },
      ],
    };
  } finally {
    await close();
    await publisher.close();
    await pool.ended();
  }
}

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
    if (steady || left <= 1) return { ...claps, saidMs: percentiles(said).p50 };
  }
}

/**
 * How long after a flash its beep comes: as it is played, and as it would be if the browser had made good all that sender
 * reports say: the second is what the server answers for, whichever rest this browser leaves this time.
 */
function offsets({ flashes, beeps, reckoned }: Claps): { played: number; reported: number } {
  const played = percentiles(distances(flashes, beeps)).p50;
  return { played, reported: played - percentiles(reckoned).p50 };
}

/** How long after each instant the nearest of the others came, or before it. */
function distances(instants: readonly number[], others: readonly number[]): number[] {
  return instants.flatMap((instant) => {
    const nearest = others.map((other) => other - instant).sort((a, b) => Math.abs(a) - Math.abs(b))[0];
    return nearest !== undefined && Math.abs(nearest) < SAME_CLAP_MS ? [nearest] : [];
  });
}
