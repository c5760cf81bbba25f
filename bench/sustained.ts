import { setTimeout as sleep } from 'node:timers/promises';
import type { StageTimes } from '../src/engine/engine.js';
import type { UpscaleStats } from '../src/live/stats.js';
import type { Bench } from './browser.js';
import type { StreamRequest, StreamState } from './pages/stream.js';
import { digits, percent } from './table.js';

interface Percentiles {
  readonly p50: number;
  readonly p95: number;
}

/** A live stream of nano through the public path, over a stretch of time. */
export interface SustainedResult {
  readonly fedPerSecond: number;
  readonly outPerSecond: number;
  readonly seconds: number;
  /** Share of the output frames that the network made. */
  readonly networkShare: number;
  /** Frames that were fed and did not come out, by where they were lost. */
  readonly dropped: {
    readonly beforeUs: number;
    readonly busy: number;
    readonly late: number;
    readonly failed: number;
  };
  /** From the source track to the output track, milliseconds. */
  readonly delayMs: Percentiles;
  /** Between one output frame and the next, milliseconds. Far apart, the picture moves in jerks. */
  readonly gapMs: Percentiles;
  /** The part of it that the package counts itself: from the io worker's receipt to its sending. */
  readonly addedDelayMs: Percentiles;
  /** Milliseconds a frame by stage in the engine, the last two seconds' mean. */
  readonly stageMs: StageTimes;
  readonly firstNetworkFrameMs: number;
}

const FRAMES_PER_SECOND = 24;
const LOOKAHEAD = 3;
const SOURCE = { width: 160, height: 90 } as const;
const THREADS = 2;
const START_SECONDS = 60;

export const SUSTAINED = { model: 'mana-nano-x2', size: SOURCE, threads: THREADS } as const;

/** Feeds the stream at 24 frames a second and watches it once the network runs. */
export async function sustained(bench: Bench, seconds: number): Promise<SustainedResult> {
  const page = await bench.open();
  const state = (): Promise<StreamState> => page.call('stream', 'streamState');
  const request: StreamRequest = {
    source: SOURCE,
    framesPerSecond: FRAMES_PER_SECOND,
    model: SUSTAINED.model,
    backend: 'wasm',
    threads: THREADS,
    lookahead: LOOKAHEAD,
  };
  await page.call('stream', 'openStream', request);
  const end = Date.now() + START_SECONDS * 1000;
  while (framesByNetwork((await state()).stats) < FRAMES_PER_SECOND) {
    if (Date.now() > end) throw new Error(`The network did not run within ${START_SECONDS} seconds.`);
    await sleep(200);
  }
  const a = await state();
  await sleep(seconds * 1000);
  const b = await state();
  await page.call('stream', 'closeStream');
  await page.close();
  return between(a, b);
}

/** Frames that a network made, on whatever level. */
export function framesByNetwork({ framesByLevel: { full, short, small } }: UpscaleStats): number {
  return full + short + small;
}

function between(a: StreamState, b: StreamState): SustainedResult {
  const seconds = (b.atMs - a.atMs) / 1000;
  const outAtMs = b.outAtMs.slice(a.outAtMs.length);
  const lost = (cause: 'busy' | 'late' | 'failed'): number =>
    b.stats.framesDropped[cause] - a.stats.framesDropped[cause];
  return {
    fedPerSecond: (b.fed - a.fed) / seconds,
    outPerSecond: outAtMs.length / seconds,
    seconds,
    networkShare:
      (framesByNetwork(b.stats) - framesByNetwork(a.stats)) /
      Math.max(1, b.stats.framesDelivered - a.stats.framesDelivered),
    dropped: {
      // Statistics are up to 250 ms old, so this may be off by a few frames either way, but not by more as time goes on.
      beforeUs: Math.max(0, b.fed - a.fed - (b.stats.framesReceived - a.stats.framesReceived)),
      busy: lost('busy'),
      late: lost('late'),
      failed: lost('failed'),
    },
    delayMs: percentiles(b.delaysMs.slice(a.delaysMs.length)),
    gapMs: percentiles(outAtMs.slice(1).map((at, i) => at - (outAtMs[i] ?? at))),
    addedDelayMs: b.stats.addedDelayMs,
    stageMs: b.stats.stageMs,
    firstNetworkFrameMs: b.stats.timeToFirstNetworkFrameMs ?? Number.NaN,
  };
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((x, y) => x - y);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95) };
}

export function sustainedText(result: SustainedResult): string {
  const { dropped, delayMs, gapMs, addedDelayMs, stageMs } = result;
  const engineMs = Object.values(stageMs).reduce((sum, ms) => sum + ms, 0);
  return [
    `Sustained: nano, 160x90, 2 threads, fed with ${FRAMES_PER_SECOND} frames a second for ${result.seconds.toFixed(0)} s through upscaleTrack`,
    `  frames       ${digits(result.fedPerSecond)} in, ${digits(result.outPerSecond)} out a second; ${percent(result.networkShare)} of them by the network`,
    `  cadence      p50 ${digits(gapMs.p50)} ms, p95 ${digits(gapMs.p95)} ms from one output frame to the next`,
    `  engine       ${digits(engineMs)} ms a frame: ${digits(stageMs.encode)} encode, ${digits(stageMs.fuse)} fuse, ${digits(engineMs - stageMs.encode - stageMs.fuse)} other`,
    `  dropped      ${dropped.busy} busy, ${dropped.late} late, ${dropped.failed} failed, ${dropped.beforeUs} before they reached us`,
    `  added delay  p50 ${digits(addedDelayMs.p50)} ms, p95 ${digits(addedDelayMs.p95)} ms by the package's own count; lookahead alone is ${((LOOKAHEAD * 1000) / FRAMES_PER_SECOND).toFixed(0)} ms`,
    `  track delay  p50 ${digits(delayMs.p50)} ms, p95 ${digits(delayMs.p95)} ms from writing the source track to reading the output track`,
    `  start        ${digits(result.firstNetworkFrameMs)} ms from the call to the first frame of the network`,
  ].join('\n');
}
