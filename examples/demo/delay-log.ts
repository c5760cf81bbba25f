import type { Level, Percentiles } from 'mana-upscale';

/** What the log tells of. */
export const WINDOW_MS = 45_000;

/** The delay of one frame that was shown, or what the package says of many. Times are milliseconds. */
export interface DelayPoint {
  readonly atMs: number;
  /** From when the page saw the source frame to when it saw the upscaled one. */
  readonly frameMs: number | null;
  /** The package's own figures, told once a second. `null`: those before are of another level. */
  readonly told?: Percentiles | null;
}

/** The picture is made by something else from now on. */
export interface LevelMark {
  readonly atMs: number;
  readonly level: Level;
}

/** What happened within a few seconds. */
export interface DelayRow {
  readonly fromMs: number;
  readonly toMs: number;
  readonly delays: Percentiles;
  readonly longestMs: number;
  /** The levels that made the picture, in the order in which each came first. */
  readonly levels: readonly Level[];
}

/** Added delay and levels of the last 45 seconds. It keeps no clock: it is told what the time is. */
export class DelayLog {
  #points: DelayPoint[] = [];
  #marks: LevelMark[] = [];

  get points(): readonly DelayPoint[] {
    return this.#points;
  }

  /** The first may be older than the points: it tells what made the picture when they began. */
  get marks(): readonly LevelMark[] {
    return this.#marks;
  }

  /** A frame was shown. */
  frame(frameMs: number, nowMs: number): void {
    this.#points.push({ atMs: nowMs, frameMs });
  }

  /** The package told its figures. */
  told(told: Percentiles, nowMs: number): void {
    this.#points.push({ atMs: nowMs, frameMs: null, told });
  }

  /** What makes the picture now. */
  level(level: Level, nowMs: number): void {
    if (this.#marks.at(-1)?.level === level) return;
    this.#marks.push({ atMs: nowMs, level });
    this.#points.push({ atMs: nowMs, frameMs: null, told: null });
  }

  /** Forgets what is too old to be shown. */
  trim(nowMs: number): void {
    const oldest = nowMs - WINDOW_MS;
    const first = this.#points.findIndex(({ atMs }) => atMs >= oldest);
    this.#points = first < 0 ? [] : this.#points.slice(first);
    const mark = this.#marks.findLastIndex(({ atMs }) => atMs <= oldest);
    if (mark > 0) this.#marks = this.#marks.slice(mark);
  }

  /** The frames of a time in figures, or `null` where there were none. */
  between(fromMs: number, toMs: number): DelayRow | null {
    const delays = this.#points
      .filter(({ atMs }) => atMs > fromMs && atMs <= toMs)
      .flatMap(({ frameMs }) => (frameMs === null ? [] : [frameMs]))
      .sort((a, b) => a - b);
    if (delays.length === 0) return null;
    const at = (share: number): number => delays[Math.min(delays.length - 1, Math.floor(share * delays.length))] ?? 0;
    const before = this.#marks.findLast(({ atMs }) => atMs <= fromMs);
    const within = this.#marks.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
    return {
      fromMs,
      toMs,
      delays: { p50: at(0.5), p95: at(0.95) },
      longestMs: delays.at(-1) ?? 0,
      levels: [...new Set([...(before ? [before] : []), ...within].map(({ level }) => level))],
    };
  }
}
