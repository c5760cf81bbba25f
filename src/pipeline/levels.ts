/**
 * What makes the picture, best first:
 * - `full`: the chosen network, with the lookahead that was asked for
 * - `short`: the same with fewer frames of lookahead
 * - `small`: a smaller network
 * - `fast`: the platform's own resampling
 * - `pass-through`: the source's own pixels; the display enlarges them
 */
export type Level = 'full' | 'short' | 'small' | 'fast' | 'pass-through';

/** Which network: the one that was asked for, or the smaller one of the same family. */
export type Variant = 'own' | 'small';

/** The numbers behind a decision. Times are milliseconds. */
export interface LevelNumbers {
  /** What a frame takes in the network that was decided on, or against. `null` where no time was the reason. */
  readonly costMs: number | null;
  /** From one source frame to the next. */
  readonly intervalMs: number;
  /** Delay that was expected of the level that is left. */
  readonly delayMs: number | null;
  /** What it may take. */
  readonly budgetMs: number;
  /** Frames of lookahead from now on. */
  readonly lookahead: number;
}

/** From one level, or lookahead, to another. */
export interface Move {
  readonly from: Level;
  readonly to: Level;
  /** Why, for a person. */
  readonly reason: string;
  readonly numbers: LevelNumbers;
}

/** Whether a level's picture is made by a network. */
export function byNetwork(level: Level): boolean {
  return level !== 'fast' && level !== 'pass-through';
}
