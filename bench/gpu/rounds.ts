/** Median of some numbers; of none, not a number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Two that were measured in turns. */
export interface Turns {
  readonly ours: number;
  readonly theirs: number;
  /** Median over rounds of theirs / ours: what slows both for a while leaves it as it is. */
  readonly ratio: number;
}

/**
 * Measures two things in turns, A B A B, so that what else the machine does hits both.
 * @param before called before each round; may throw to end it all
 * @returns medians, or nothing where a measurement said nothing
 */
export async function inTurns(
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
  rounds: number,
  before: (round: number) => void = () => undefined,
): Promise<Turns | undefined> {
  const pairs: [number, number][] = [];
  for (let round = 0; round < rounds; round++) {
    before(round);
    pairs.push([await ours(), await theirs()]);
  }
  const valid = pairs.filter((pair) => pair.every((ms) => ms > 0));
  if (valid.length === 0) return undefined;
  return {
    ours: median(valid.map(([a]) => a)),
    theirs: median(valid.map(([, b]) => b)),
    ratio: median(valid.map(([a, b]) => b / a)),
  };
}

/** How often something that takes `ms` is done in one go of about `wantedMs`. */
export function repeats(ms: number, wantedMs: number, most: number): number {
  return Math.max(1, Math.min(most, Math.round(wantedMs / Math.max(ms, wantedMs / most))));
}
