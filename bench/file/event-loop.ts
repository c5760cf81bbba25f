import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { manaUpscale, type PlanarFrame } from 'mana-upscale/node';
import { concatMap, delay, from, lastValueFrom, of, toArray } from 'rxjs';
import { photoFrame } from '../../test/support/pictures.js';

/** The delay of Node's event loop, 99th percentiles in milliseconds. */
export interface EventLoopDelay {
  /** While nothing is done. */
  readonly idle: number;
  /** While 30 frames a second of 160x90 go through `manaUpscale`. */
  readonly busy: number;
}

/** Measures how long `manaUpscale` keeps the thread that calls it from other work. */
export async function eventLoopDelay(frames: number): Promise<EventLoopDelay> {
  const play = (): Promise<unknown> => {
    const pan = Array.from(
      { length: frames },
      (_, i): PlanarFrame => photoFrame(160, 90, (i * 3) % 600, i % 200, i * 33_000),
    );
    const live = from(pan).pipe(concatMap((frame) => of(frame).pipe(delay(33))));
    return lastValueFrom(live.pipe(manaUpscale({ threads: 1 }), toArray()));
  };
  // Once to compile what is first used.
  await play();
  return { idle: await delayOf(() => sleep(2_000)), busy: await delayOf(play) };
}

async function delayOf(work: () => Promise<unknown>): Promise<number> {
  const monitor = monitorEventLoopDelay({ resolution: 2 });
  monitor.enable();
  await work();
  monitor.disable();
  return monitor.percentile(99) / 1e6;
}
