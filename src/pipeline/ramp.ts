/** After this many frames with one lookahead the next longer one may be taken. */
const EVERY = 8;

/**
 * Lookahead on its way to what there is time for. Delay grows by a frame at a time, with frames between, and shrinks by one a
 * frame: neither stands out.
 */
export class Ramp {
  #lookahead = 0;
  #steady = 0;

  /** Frames to wait for now. */
  get lookahead(): number {
    return this.#lookahead;
  }

  /** Without delay, from where the ramp goes up anew. */
  restart(): void {
    this.#lookahead = 0;
    this.#steady = 0;
  }

  /** The next frame. */
  towards(lookahead: number): number {
    this.#steady++;
    if (lookahead < this.#lookahead) this.#lookahead--;
    else if (lookahead > this.#lookahead && this.#steady >= EVERY) {
      this.#lookahead++;
      this.#steady = 0;
    }
    return this.#lookahead;
  }
}
