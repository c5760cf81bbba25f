/** Times of a frame in the file, in seconds. */
export interface FileTimes {
  readonly timestampS: number;
  readonly durationS: number;
}

/** Frames on their way through the network carry whole microseconds; the file's own times are remembered beside them. */
export class FrameTimesById {
  readonly #times = new Map<number, FileTimes>();
  /** Times of the newest frames that were pushed, oldest first. */
  #recent: number[] = [];
  #lastUs = Number.NEGATIVE_INFINITY;

  /** @param kept how many frames back {@link FrameTimesById.before} can go */
  constructor(readonly kept: number) {}

  /** The microseconds that stand for a frame: no two frames share them. */
  add(times: FileTimes): number {
    const us = Math.max(Math.round(times.timestampS * 1e6), this.#lastUs + 1);
    this.#lastUs = us;
    this.#times.set(us, times);
    this.#recent.push(times.timestampS);
    if (this.#recent.length > this.kept) this.#recent.shift();
    return us;
  }

  /** The times of a frame that has come out, which are then forgotten. */
  take(us: number): FileTimes | undefined {
    const times = this.#times.get(us);
    this.#times.delete(us);
    return times;
  }

  /** Where to begin again so that some frames come before `timestampS`. */
  before(timestampS: number, frames: number): number {
    const earlier = this.#recent.filter((time) => time <= timestampS);
    return earlier.at(-1 - frames) ?? earlier[0] ?? timestampS;
  }

  /** Forgets all that has not come out: the source begins again somewhere. */
  restart(): void {
    this.#times.clear();
    this.#recent = [];
    this.#lastUs = Number.NEGATIVE_INFINITY;
  }
}

/** What a frame comes after the one before where the file has them at the same time or the wrong way round, in seconds. */
const LEAST_APART_S = 0.001;

/** Times that only grow: a file that goes back in time must not cost frames. */
export class Increasing {
  #lastS = Number.NEGATIVE_INFINITY;

  next(timestampS: number): number {
    this.#lastS = Math.max(timestampS, this.#lastS + LEAST_APART_S);
    return this.#lastS;
  }
}
