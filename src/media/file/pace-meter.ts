import type { FileProgress } from './options.js';

const WINDOW_MS = 10_000;
/** Before so much time has passed, no end is foretold. */
const KNOWN_AFTER_MS = 1_000;

/** Foretells the end of a file from the pace of the last seconds. Pure: the clock is handed in. */
export class PaceMeter {
  #marks: { readonly ms: number; readonly frames: number; readonly share: number }[] = [];

  /** @param startMs when the first frame went in */
  constructor(startMs: number) {
    this.#marks.push({ ms: startMs, frames: 0, share: 0 });
  }

  /** @param share of the file's time that is done, 0..1 */
  at(nowMs: number, frames: number, framesTotal: number, share: number): FileProgress {
    this.#marks.push({ ms: nowMs, frames, share });
    while (this.#marks.length > 2 && nowMs - (this.#marks[1]?.ms ?? nowMs) > WINDOW_MS) this.#marks.shift();
    const first = this.#marks[0] ?? { ms: nowMs, frames: 0, share: 0 };
    const ms = nowMs - first.ms;
    const gained = share - first.share;
    const known = ms >= KNOWN_AFTER_MS && gained > 0;
    return {
      framesDone: frames,
      framesTotal: Math.max(frames, framesTotal),
      percent: 100 * Math.min(1, Math.max(0, share)),
      secondsLeft: share >= 1 ? 0 : known ? ((1 - share) / gained) * (ms / 1000) : null,
      framesPerSecond: ms > 0 ? ((frames - first.frames) * 1000) / ms : 0,
    };
  }
}
