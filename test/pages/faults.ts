import type { Fault } from '../../examples/faults/faults.js';
import { injectFault, workersStarted } from '../../examples/faults/inject.js';
import type { Look } from './known-pan.js';
import { sleep, until } from './sources.js';
import { byNetwork, GAIN_DB, type Setting, Watched } from './watched.js';

/** Source frames that may be on their way when a fault strikes: their pictures tell nothing of what came after it. */
const ON_THEIR_WAY = 8;

/** What became of a live track whose engine was made to fail. Times are milliseconds after the fault struck. */
export interface Survival {
  readonly state: MediaStreamTrackState;
  /** What makes the picture in the end. */
  readonly level: string;
  readonly levels: string[];
  readonly reasons: string[];
  /** Output frames after the strike; of those, the ones that the network has not made. */
  readonly frames: number;
  readonly without: number;
  readonly rising: boolean;
  /** Worst PSNR of all those frames, in dB. */
  readonly worst: number;
  /** Worst gain over the browser's scaling of all those frames, and of those from the first that it made, in dB. */
  readonly worstGain: number;
  readonly worstGainOnceLeft: number;
  /** Longest time from one frame to the next. */
  readonly longestGapMs: number;
  /** When another level than the network made the picture; `null`: never. */
  readonly leftMs: number | null;
  /** When the first picture that the network made anew came out; `null`: not within the time. */
  readonly backMs: number | null;
  /** The network's mean gain over the browser's scaling, before the fault and at the end, in dB. */
  readonly gainBefore: number;
  readonly gainAfter: number;
  /** Engine workers that were started, all in all. */
  readonly workers: number;
}

/** Upscales a live track until the network makes the picture, injects a fault and waits for the network to be back. */
export function survive(fault: Fault, setting: Setting): Promise<Survival> {
  return survived(fault, setting, (watched, newest) =>
    // That it is not back is for the test to say, with what is known.
    watched.network(newest + ON_THEIR_WAY, setting.seconds).catch(() => undefined),
  );
}

/** The same with a fault that stands: what is seen of the `count` frames that follow. */
export function endure(fault: Fault, setting: Setting, count: number): Promise<Survival> {
  return survived(fault, setting, ({ looks }) => {
    const end = looks.length + count;
    return until('frames after the fault', () => looks.length >= end, setting.seconds);
  });
}

/** Runs are slowed down by `ms` until the network is left, and then no more. */
export function strain(ms: number, setting: Setting): Promise<Survival> {
  return survived({ type: 'slow', ms }, setting, async (watched) => {
    const { upscaled } = watched;
    await until('the network to be left', () => !byNetwork(upscaled.stats().level));
    injectFault({ type: 'slow', ms: 0 });
    await watched.network(watched.newest, setting.seconds).catch(() => undefined);
  });
}

/**
 * Runs are slowed down by `ms` for a quarter of a second. The added delay before and long after, in milliseconds: the
 * lookahead is most of it, so a stream that no longer waits for the frames after its centres shows here.
 */
export async function hiccup(ms: number, setting: Setting): Promise<{ before: number; after: number; level: string }> {
  const watched = await Watched.open(setting);
  const { upscaled } = watched;
  await watched.network(-1, setting.seconds);
  await sleep(3000);
  const before = upscaled.stats().addedDelayMs.p50;
  injectFault({ type: 'slow', ms });
  await sleep(250);
  injectFault({ type: 'slow', ms: 0 });
  // The figure is that of the last 256 frames: none of them is older than the hiccup then.
  const { newest } = watched;
  await until('frames after the hiccup', () => watched.newest > newest + 300);
  const { addedDelayMs, level } = upscaled.stats();
  watched.close();
  await sleep(300);
  return { before, after: addedDelayMs.p50, level };
}

async function survived(
  fault: Fault,
  setting: Setting,
  after: (watched: Watched, newest: number) => Promise<void>,
): Promise<Survival> {
  const watched = await Watched.open(setting);
  const { looks, levels, upscaled } = watched;
  await watched.network(-1, setting.seconds);
  const gainBefore = mean(watched.latest);
  const { struck } = injectFault(fault);
  let strikeMs: number | undefined;
  void struck.then(() => {
    strikeMs = performance.now();
  });
  await until('the fault to strike', () => strikeMs !== undefined);
  const start = strikeMs as unknown as number;
  const newest = watched.newest;
  await after(watched, newest);

  const later = looks.filter(({ ms }) => ms >= start);
  const indices = later.map(({ index }) => index);
  const left = levels.find(({ ms, to }) => ms >= start && !byNetwork(to));
  const isFast = ({ gain }: Look): boolean => Math.abs(gain) < GAIN_DB / 2;
  const back = later.find(({ index, gain }) => index > newest + ON_THEIR_WAY && gain > GAIN_DB);
  const firstFast = later.findIndex(isFast);
  const result = {
    state: upscaled.track.readyState,
    level: upscaled.stats().level,
    levels: levels.map(({ to }) => to),
    reasons: watched.reasons,
    frames: later.length,
    without: later.filter(({ gain }) => gain < GAIN_DB / 2).length,
    rising: indices.every((index, i) => i === 0 || index > (indices[i - 1] as number)),
    worst: Math.min(...later.map((look) => look.psnr)),
    worstGain: Math.min(...later.map(({ gain }) => gain)),
    worstGainOnceLeft: Math.min(...(firstFast < 0 ? [] : later.slice(firstFast)).map(({ gain }) => gain), 99),
    longestGapMs: Math.max(...later.map(({ ms }, i) => ms - (later[i - 1]?.ms ?? start))),
    leftMs: left ? left.ms - start : null,
    backMs: back ? back.ms - start : null,
    gainBefore,
    gainAfter: mean(watched.latest),
    workers: workersStarted(),
  };
  watched.close();
  await sleep(300);
  return result;
}

function mean(looks: readonly Look[]): number {
  return looks.reduce((sum, { gain }) => sum + gain, 0) / looks.length;
}
