/** A place in a queue: the higher rank goes first, number by number. */
export type Rank = readonly number[];

interface Waiting {
  readonly rank: Rank;
  readonly grant: (release: () => void) => void;
}

/** One at a time, the highest rank first: how streams share an engine. Pure. */
export class Turns {
  #taken = false;
  readonly #waiting: Waiting[] = [];

  /** Settles with what ends the turn, once it has come. */
  take(rank: Rank): Promise<() => void> {
    return new Promise((grant) => {
      this.#waiting.push({ rank, grant });
      this.#next();
    });
  }

  #next(): void {
    if (this.#taken || this.#waiting.length === 0) return;
    const first = this.#waiting.reduce((best, each) => (compareRanks(each.rank, best.rank) > 0 ? each : best));
    this.#waiting.splice(this.#waiting.indexOf(first), 1);
    this.#taken = true;
    let over = false;
    first.grant(() => {
      if (over) return;
      over = true;
      this.#taken = false;
      this.#next();
    });
  }
}

/** Above 0 where the first goes first. */
export function compareRanks(a: Rank, b: Rank): number {
  for (const [i, value] of a.entries()) {
    const difference = value - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
