/** Share of the budget, and of the time from frame to frame, that is planned with; the rest is for what no plan knows of. */
export const PLANNED = 0.9;

/** What a network has to fit into. Times are milliseconds. */
export interface Conditions {
  /** From one source frame to the next. */
  readonly intervalMs: number;
  readonly budgetMs: number;
  /** Frames a second that the network must make, where the source has as many. */
  readonly minFrameRate: number;
  /** Frames of lookahead, if there is time. */
  readonly lookahead: number;
  /** Share of the engine that other streams leave. */
  readonly share: number;
}

/** Delay of a frame, in milliseconds, where the network takes `costMs` and waits for `lookahead` frames. Pure. */
export function delayOf(costMs: number, lookahead: number, { intervalMs }: Pick<Conditions, 'intervalMs'>): number {
  const busy = costMs > PLANNED * intervalMs;
  return (busy ? Math.min(costMs, intervalMs) : 0) + lookahead * Math.max(costMs, intervalMs) + costMs;
}

/**
 * The longest lookahead with which a network that takes `costMs` keeps budget and frame rate; below 0: none. Pure.
 * @param margin how many times that cost there must be time for
 */
export function longestLookahead(costMs: number, conditions: Conditions, margin = 1): number {
  const { intervalMs, budgetMs, minFrameRate, share } = conditions;
  // With no frame rate wanted, nought times infinity would be the question.
  if (costMs === Number.POSITIVE_INFINITY) return -1;
  const wanted = Math.min((PLANNED * 1000) / intervalMs, minFrameRate);
  if ((share * 1000) / (costMs * margin) < wanted) return -1;
  let { lookahead } = conditions;
  while (lookahead >= 0 && delayOf(costMs * margin, lookahead, conditions) > PLANNED * budgetMs) lookahead--;
  return lookahead;
}

/** Why a network that takes `costMs` does not fit, for a person. */
export function whyNot(costMs: number, conditions: Conditions): string {
  const { intervalMs, budgetMs, minFrameRate, share } = conditions;
  const rate = 1000 / intervalMs;
  const made = Math.min(rate, (share * 1000) / costMs);
  const wanted = Math.min(PLANNED * rate, minFrameRate);
  const takes = `The network takes ${short(costMs)} ms for a frame${share < 1 ? ', with other streams before it' : ''}`;
  if (made < wanted)
    return `${takes}: ${short(made)} of ${short(rate)} frames a second, where ${short(wanted)} are wanted.`;
  return `${takes}: that adds ${short(delayOf(costMs, 0, conditions))} ms; the budget is ${budgetMs} ms.`;
}

/** A number in as many digits as a person wants to read. */
export function short(value: number): string {
  return value < 10 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(0);
}
