/** Ticks of an encoder's clock in a second: RTP's for video. */
export const TICKS_PER_SECOND = 90_000;

/** Longest time from one frame to the next that an encoder is told of: a pause must not become bits to spend at once. */
const LONGEST_SECONDS = 1;

/** When a frame comes, and how long it counts for the encoder's rate control. In ticks. */
export interface EncoderTime {
  readonly time: bigint;
  readonly duration: bigint;
}

/**
 * Makes an encoder's times from timestamps, which may jump either way: always later than the one before, without gaps.
 * A frame counts as long as the time since the frame before it.
 *
 * Stretched time makes an encoder whose rate is fixed spend more: twice the time, twice the bits.
 */
export class EncoderClock {
  #lastUs: number | undefined;
  #end = 0;

  /** @param frameRate frames a second, about */
  constructor(readonly frameRate: number) {}

  /**
   * @param timestampUs the frame's
   * @param stretch how many times as long as in truth
   */
  next(timestampUs: number, stretch: number): EncoderTime {
    const nominal = 1 / this.frameRate;
    const passed = this.#lastUs === undefined ? nominal : (timestampUs - this.#lastUs) / 1e6;
    this.#lastUs = timestampUs;
    const seconds = passed > 0 ? Math.min(Math.max(passed, nominal / 4), LONGEST_SECONDS) : nominal;
    const start = Math.round(this.#end);
    this.#end = Math.max(this.#end + seconds * stretch * TICKS_PER_SECOND, start + 1);
    return { time: BigInt(start), duration: BigInt(Math.round(this.#end) - start) };
  }
}
