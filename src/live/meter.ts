import { noTimes, type StageTimes } from '../engine/engine.js';
import { byNetwork, type Level } from '../pipeline/levels.js';
import { noCounts, type UpscalerCounts } from '../pipeline/upscaler.js';
import type { EngineReport } from './protocol.js';
import { type Interruption, noLevels, noStats, type UpscaleStats } from './stats.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Rates and stage times are means over this long. */
const WINDOW_MS = 2000;
const DELAYS = 256;
/** Frames whose arrival is remembered: more than can be on their way. */
const ARRIVALS = 64;

const COUNTS = Object.keys(noCounts()) as (keyof UpscalerCounts)[];

interface Sample {
  readonly atMs: number;
  readonly received: number;
  readonly delivered: number;
  readonly fused: number;
  readonly times: StageTimes;
}

/** What is so now, and not counted here. */
export type Present = Pick<UpscaleStats, 'levelReason' | 'lookahead' | 'queueLength' | 'engineRestarts'>;

/** Counts what happens to one stream and sums it up as {@link UpscaleStats}. */
export class Meter {
  readonly #stats: Mutable<UpscaleStats> = noStats();
  readonly #byLevel = noLevels();
  readonly dropped = { ...noStats().framesDropped };
  readonly interrupted: Record<Interruption, number> = { mute: 0, source: 0, shape: 0, hidden: 0 };
  readonly #arrivals = new Map<number, number>();
  readonly #delays = new Float64Array(DELAYS);
  #delayed = 0;
  #samples: Sample[] = [];
  #report: EngineReport | undefined;
  /** The engine's last account: of a stream that begins anew in the same worker it goes on. */
  #counts: UpscalerCounts | undefined;
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

  /** @param made by what */
  delivered(timestampUs: number, made: Level, nowMs: number): void {
    const stats = this.#stats;
    if (byNetwork(made)) stats.timeToFirstNetworkFrameMs ??= nowMs - this.openedMs;
    this.#byLevel[made]++;
    const arrived = this.#arrivals.get(timestampUs);
    if (arrived !== undefined) {
      this.#delays[this.#delayed++ % DELAYS] = nowMs - arrived;
      stats.totalProcessingDelay += (nowMs - arrived) / 1000;
      this.#arrivals.delete(timestampUs);
    }
    stats.framesDelivered++;
  }

  /** Another level. Delays of the one before say nothing of it. */
  level(level: Level): void {
    if (level !== this.#stats.level) this.#delayed = 0;
    this.#stats.level = level;
  }

  outputSize(size: { width: number; height: number }): void {
    this.#stats.outputSize = size;
  }

  /** The engine's own account, cumulative since it began this stream; `undefined` when no network runs any more. */
  engine(report: EngineReport | undefined): void {
    const last = this.#counts;
    if (last && report && report.counts.framesEncoded < last.framesEncoded) {
      for (const key of COUNTS) this.#past[key] += last[key];
    }
    if (report) this.#counts = report.counts;
    if (!report) this.#samples = [];
    this.#report = report;
  }

  /** The figures now. */
  snapshot(nowMs: number, present: Present): UpscaleStats {
    const stats = this.#stats;
    const report = this.#report;
    const now: Sample = {
      atMs: nowMs,
      received: stats.framesReceived,
      delivered: stats.framesDelivered,
      fused: report?.counts.framesFused ?? 0,
      times: report?.times ?? noTimes(),
    };
    this.#samples = this.#samples.filter((sample) => nowMs - sample.atMs <= WINDOW_MS && sample.fused <= now.fused);
    this.#samples.push(now);
    const first = this.#samples[0] as Sample;
    const seconds = (nowMs - first.atMs) / 1000;
    const rate = (count: number): number => (seconds > 0 ? count / seconds : 0);
    const counts = { ...this.#past };
    for (const key of COUNTS) counts[key] += this.#counts?.[key] ?? 0;
    const { framesEncoded, framesRepeated, tilesComputed, tilesReused, tilesCheap, cuts, gaps } = counts;
    return {
      ...stats,
      ...present,
      backend: byNetwork(stats.level) ? (report?.backend ?? null) : null,
      backendDescription: report?.description ?? '',
      model: report?.model ?? null,
      framesByLevel: { ...this.#byLevel },
      framesDropped: { ...this.dropped },
      framesEncoded,
      framesRepeated,
      tilesComputed,
      tilesReused,
      tilesCheap,
      windowResets: { cut: cuts, gap: gaps, ...this.interrupted },
      framesPerSecondIn: rate(now.received - first.received),
      framesPerSecond: rate(now.delivered - first.delivered),
      stageMs: meanTimes(first, now),
      stageClock: report?.timed ?? 'wall',
      addedDelayMs: this.#percentiles(),
      computedOverKept: report?.computedOverKept ?? 1,
      engineBytes: report?.bytes ?? 0,
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
