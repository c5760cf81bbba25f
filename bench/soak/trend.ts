/** A series over time: seconds, and the value then. */
export type Series = readonly (readonly [seconds: number, value: number])[];

/** How a series goes. */
export interface Trend {
  readonly first: number;
  readonly last: number;
  readonly mean: number;
  /** Of the straight line through it, per minute. */
  readonly slope: number;
  /** Twice the standard error of the slope: what is within it of nought is no trend. */
  readonly doubt: number;
}

/** The straight line through a series by least squares. */
export function trendOf(series: Series): Trend {
  const count = series.length;
  const meanOf = (at: 0 | 1): number => series.reduce((sum, point) => sum + point[at], 0) / Math.max(1, count);
  const [meanX, mean] = [meanOf(0), meanOf(1)];
  const spread = series.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = spread > 0 ? series.reduce((sum, [x, y]) => sum + (x - meanX) * (y - mean), 0) / spread : 0;
  const rest = series.reduce((sum, [x, y]) => sum + (y - mean - slope * (x - meanX)) ** 2, 0);
  const doubt = count > 2 && spread > 0 ? 2 * Math.sqrt(rest / (count - 2) / spread) : 0;
  return { first: series[0]?.[1] ?? 0, last: series.at(-1)?.[1] ?? 0, mean, slope: slope * 60, doubt: doubt * 60 };
}

/** Whether a series does not grow: by less than `most` a minute, or by no more than its own scatter explains. */
export function isFlat({ slope, doubt }: Trend, most: number): boolean {
  return slope <= most || slope <= doubt;
}
