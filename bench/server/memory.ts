import { setTimeout as sleep } from 'node:timers/promises';
import type { SeenPicture } from '../../test/pages/numbered-pictures.js';
import { distinct, faults } from '../../test/support/seen.js';
import { isFlat, type Trend, trendOf } from '../soak/trend.js';
import { type ServerRig, withRig } from './rig.js';

/** A long run of one published stream, watched as sent and upscaled. */
export interface MemoryResult {
  readonly minutes: number;
  /** Of the server's memory in MiB, without the first quarter. */
  readonly trend: Trend;
  readonly flat: boolean;
  readonly pictures: number;
  readonly wrong: number;
  /** Cores that the server kept busy. */
  readonly cores: number;
}

const SAMPLE_MS = 2_000;
/** Growth in MiB a minute that is called none. */
const FLAT = 0.2;
/** A small heap is collected often: what grows then is no garbage that waits. */
const SMALL_HEAP = ['--max-old-space-size=48', '--max-semi-space-size=2'];

export function memory(minutes: number): Promise<MemoryResult> {
  const run = async (rig: ServerRig): Promise<MemoryResult> => {
    await rig.publish('p', 'a', { codec: 'vp8', width: 160, height: 90, fps: 25 });
    await rig.watch('s', 'a', 'source');
    await rig.watch('u', 'a', 'upscaled');
    const series: [seconds: number, mebibytes: number][] = [];
    const began = performance.now();
    const cpu = await rig.cpuSeconds();
    let pictures = 0;
    let wrong = 0;
    for (;;) {
      const seconds = (performance.now() - began) / 1000;
      series.push([seconds, await rig.memory()]);
      const seen = distinct(await rig.run<SeenPicture[]>('seen', 'u'));
      await rig.run('seen', 's');
      pictures += seen.length;
      wrong += faults(seen).length;
      if (seconds > minutes * 60) break;
      await sleep(SAMPLE_MS);
    }
    const settled = series.slice(series.length >> 2);
    const trend = trendOf(settled);
    const cores = ((await rig.cpuSeconds()) - cpu) / (minutes * 60);
    return { minutes, trend, flat: isFlat(trend, FLAT), pictures, wrong, cores };
  };
  return withRig(['--lookahead', '0'], run, SMALL_HEAP);
}
