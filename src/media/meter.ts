import { noTimes, type StageTimes } from '../engine/engine.js';
import { noCounts } from '../pipeline/upscaler.js';
import type { EngineReport } from './protocol.js';
import { type Interruption, type Level, noStats, type UpscaleStats } from './stats.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Rates and stage times are means over this long. */
const WINDOW_MS = 2000;
const DELAYS = 256;
/** Frames whose arrival is remembered: more than can be on their way. */
const ARRIVALS = 64;

const COUNTS = ['framesEncoded', 'framesRepeated', 'framesFused', 'tilesFused', 'tilesReused', 'cuts', 'gaps'] as const;

interface Sample {
  readonly atMs: number;
  readonly received: number;
  readonly emitted: number;
  readonly fused: number;
  readonly times: StageTimes;
}

/** Counts what happens to one stream and sums it up as {@link UpscaleStats}. */
export class Meter {
  readonly #stats: Mutable<UpscaleStats> = noStats();
  readonly #byLevel: Record<Level, number> = { network: 0, fast: 0, 'pass-through': 0 };
  readonly dropped = { busy: 0, late: 0, failed: 0 };
  readonly interrupted: Record<Interruption, number> = { mute: 0, source: 0, shape: 0 };
  readonly #arrivals = new Map<number, number>();
  readonly #delays = new Float64Array(DELAYS);
  #delayed = 0;
  #samples: Sample[] = [];
  #report: EngineReport | undefined;
  /** What engine streams that are closed by now had counted. */
  readonly #past = noCounts();

  /** @param openedMs when the stream was asked for, on the clock of the other calls */
  constructor(readonly openedMs: number) {}

  received(timestampUs: number, size: { width: number; height: number }, nowMs: number): void {
    this.#stats.framesReceived++;
    this.#stats.inputSize = size;
    this.#arrivals.set(timestampUs, nowMs);
    if (this.#arrivals.size > ARRIVALS) this.#arrivals.delete(this.#arrivals.keys().next().value as number);
  }

  emitted(timestampUs: number, level: Level, nowMs: number): void {
    const stats = this.#stats;
    if (level === 'network') stats.timeToFirstNetworkFrameMs ??= nowMs - this.openedMs;
    // Delays of another level say nothing of this one.
    if (level !== stats.level) this.#delayed = 0;
    stats.level = level;
    this.#byLevel[level]++;
    const arrived = this.#arrivals.get(timestampUs);
    if (arrived !== undefined) {
      this.#delays[this.#delayed++ % DELAYS] = nowMs - arrived;
      stats.totalProcessingDelay += (nowMs - arrived) / 1000;
      this.#arrivals.delete(timestampUs);
    }
    stats.framesEmitted++;
  }

  outputSize(size: { width: number; height: number }): void {
    this.#stats.outputSize = size;
  }

  /** The engine's own account, cumulative since it began this stream; `undefined` when no network runs any more. */
  engine(report: EngineReport | undefined): void {
    const last = this.#report?.counts;
    if (last && (!report || report.counts.framesEncoded < last.framesEncoded)) {
      for (const key of COUNTS) this.#past[key] += last[key];
    }
    if (!report) this.#samples = [];
    this.#report = report;
  }

  /** The figures now. */
  snapshot(nowMs: number): UpscaleStats {
    const stats = this.#stats;
    const report = this.#report;
    const now: Sample = {
      atMs: nowMs,
      received: stats.framesReceived,
      emitted: stats.framesEmitted,
      fused: report?.counts.framesFused ?? 0,
      times: report?.times ?? noTimes(),
    };
    this.#samples = this.#samples.filter((sample) => nowMs - sample.atMs <= WINDOW_MS && sample.fused <= now.fused);
    this.#samples.push(now);
    const first = this.#samples[0] as Sample;
    const seconds = (nowMs - first.atMs) / 1000;
    const rate = (count: number): number => (seconds > 0 ? count / seconds : 0);
    const counts = { ...this.#past };
    for (const key of COUNTS) counts[key] += report?.counts[key] ?? 0;
    const { framesEncoded, framesRepeated, tilesFused, tilesReused, cuts, gaps } = counts;
    return {
      ...stats,
      backend: stats.level === 'network' ? (report?.backend ?? null) : null,
      backendDescription: report?.description ?? '',
      model: report?.model ?? null,
      framesByLevel: { ...this.#byLevel },
      framesDropped: { ...this.dropped },
      framesEncoded,
      framesRepeated,
      tilesFused,
      tilesReused,
      windowResets: { cut: cuts, gap: gaps, ...this.interrupted },
      framesPerSecondIn: rate(now.received - first.received),
      framesPerSecond: rate(now.emitted - first.emitted),
      stageMs: meanTimes(first, now),
      addedDelayMs: this.#percentiles(),
      computedOverKept: report?.computedOverKept ?? 1,
    };
  }

  #percentiles(): { p50: number; p95: number } {
    const sorted = this.#delays.slice(0, Math.min(this.#delayed, DELAYS)).sort();
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
    return { p50: at(0.5), p95: at(0.95) };
  }
}

function meanTimes(from: Sample, to: Sample): StageTimes {
  const frames = Math.max(1, to.fused - from.fused);
  const mean = noTimes();
  for (const stage of Object.keys(mean) as (keyof StageTimes)[]) {
    mean[stage] = (to.times[stage] - from.times[stage]) / frames;
  }
  return mean;
}
