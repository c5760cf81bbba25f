import { setTimeout as sleep } from 'node:timers/promises';
import { processors } from 'mana-upscale/server';
import type { OpenProcessor } from '../../src/server/processor.js';
import type { WatchedVideo } from '../../src/server/rooms.js';
import { startRig, until, type WhepRig } from '../../test/support/whep-rig.js';
import { percentiles } from './percentiles.js';
import { withBrowser } from './rig.js';
import type { Limit } from './verdict.js';

/** How soon viewers who join a running stream see a picture, and the encoder's bitrate where no path has a limit. */
export interface LateResult {
  /** Milliseconds from connecting to the first picture. */
  readonly firstMs: Readonly<Record<WatchedVideo, readonly number[]>>;
  readonly limits: readonly Limit[];
}

const APART_MS = 500;

/** Lets viewers come to a running stream, one after another. */
export function late(viewers: number): Promise<LateResult> {
  const pool = processors({ workers: 1, lookahead: 0, backend: 'cpu' });
  const bitrates: number[] = [];
  const openProcessor: OpenProcessor = (settings, listener) => {
    const processor = pool.open(settings, listener);
    return {
      push: (picture) => processor.push(picture),
      requestKeyframe: () => processor.requestKeyframe(),
      close: () => processor.close(),
      setBitrate: (bitrate) => {
        bitrates.push(bitrate);
        processor.setBitrate(bitrate);
      },
    };
  };
  return withBrowser(async (browser, pages) => {
    const rig = await startRig(browser, pages, { openProcessor });
    try {
      await rig.publish('p', 'a', { codec: 'vp8', width: 160, height: 90, fps: 25 });
      for (const video of ['source', 'upscaled'] as const) await rig.watch(video, 'a', { video });
      await until('the network', () => rig.rooms.streams()[0]?.level === 'full');
      const firstMs = { source: await join(rig, 'source', viewers), upscaled: await join(rig, 'upscaled', viewers) };
      const limits = (['source', 'upscaled'] as const).flatMap((video): Limit[] => [
        { what: `first picture, ${video}, median`, value: percentiles(firstMs[video]).p50, unit: 'ms', atMost: 500 },
        { what: `first picture, ${video}, longest`, value: Math.max(...firstMs[video]), unit: 'ms', atMost: 1500 },
      ]);
      const least = Math.min(...bitrates);
      return {
        firstMs,
        limits: [...limits, { what: 'least bitrate of the encoder', value: least, atLeast: 2_000_000 }],
      };
    } finally {
      await rig.close();
      await pool.ended();
    }
  });
}

async function join(rig: WhepRig, video: WatchedVideo, viewers: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < viewers; i++) {
    await sleep(APART_MS);
    await rig.watch('late', 'a', { video });
    const [first] = await rig.seen('late', 1);
    times.push((first?.atMs ?? Number.POSITIVE_INFINITY) - (await rig.run<number>('connectedAt', 'late')));
    await rig.run('stop', 'late');
  }
  return times;
}
