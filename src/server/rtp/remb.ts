/** A smaller value than the last one, beyond rounding, says that the path is full. */
const FALL = 0.97;
/** A value that does not rise for so long, while clearly more is sent, is a limit that the receiver wants. */
const HELD = { ms: 3_000, above: 1.1 } as const;
/** What the path could not carry is forgotten after so long. */
const FORGET_MS = 30_000;

/**
 * Reads a receiver's REMB (draft-alvestrand-rmcat-remb, draft-ietf-rmcat-gcc-02). Its estimate begins far below what the path
 * carries, grows by some percent a second, and never beyond one and a half times what comes: whoever took it for the path's
 * capacity would begin badly, and stay where little was sent because little happened in the picture. What it does tell is when
 * the path is full: then it falls.
 */
export class RembReader {
  #last: number | undefined;
  #raisedMs = 0;
  #fullUntilMs = Number.NEGATIVE_INFINITY;

  /**
   * @param remb bits a second
   * @param sent bits a second that were sent to this receiver in the last second or so
   * @returns whether the path is full, or was lately: then it carries no more than this
   */
  isFull(remb: number, sent: number, nowMs: number): boolean {
    const last = this.#last ?? remb;
    if (this.#last === undefined || remb > last) this.#raisedMs = nowMs;
    this.#last = remb;
    const held = nowMs - this.#raisedMs >= HELD.ms && sent > remb * HELD.above;
    if (remb < last * FALL || held) this.#fullUntilMs = nowMs + FORGET_MS;
    return nowMs < this.#fullUntilMs;
  }
}
