/** Choices for a {@link PublisherBitrate}, in bits a second. */
export interface PublisherBitrateOptions {
  readonly min: number;
  readonly max: number;
  /** What a publisher may begin with. 1 Mbit/s when left out. */
  readonly start?: number;
}

/** Losses above the first, as a share, make the rate go down; below the second it goes up. As in draft-ietf-rmcat-gcc-02. */
const LOSS = { heavy: 0.1, light: 0.02 } as const;
/** Growth in a second: quick before the first loss, then slow. */
const GROWTH = { first: 1.5, later: 1.08 } as const;
/** A rate is not raised beyond this much above what comes: nobody knows that the path would carry it. */
const HEADROOM = { ratio: 2, bits: 300_000 } as const;

/**
 * What a publisher is told in REMB to send at most: more while nothing is lost, less when much is. Call {@link update} before
 * each REMB, about every 500 ms.
 */
export class PublisherBitrate {
  readonly #options: PublisherBitrateOptions;
  #bitrate: number;
  #updatedMs: number | undefined;
  #lost = false;

  constructor(options: PublisherBitrateOptions) {
    if (!(options.min > 0 && options.min <= options.max)) {
      throw new TypeError('options.min must be positive and no larger than options.max, in bits a second.');
    }
    this.#options = options;
    this.#bitrate = this.#bounded(options.start ?? 1_000_000);
  }

  /**
   * The value for the next REMB.
   * @param received bits a second that came since the last one
   * @param fractionLost of the packets expected since then, 0 to 1
   */
  update(received: number, fractionLost: number, nowMs: number): number {
    const seconds = this.#updatedMs === undefined ? 0 : Math.max(0, Math.min(2, (nowMs - this.#updatedMs) / 1000));
    this.#updatedMs = nowMs;
    if (fractionLost > LOSS.heavy) {
      this.#lost = true;
      const base = received > 0 ? Math.min(this.#bitrate, received / (1 - Math.min(0.5, fractionLost))) : this.#bitrate;
      this.#bitrate = this.#bounded(base * (1 - 0.5 * Math.min(1, fractionLost)));
    } else if (fractionLost < LOSS.light) {
      const grown = this.#bitrate * (this.#lost ? GROWTH.later : GROWTH.first) ** seconds;
      const most = received * HEADROOM.ratio + HEADROOM.bits;
      this.#bitrate = this.#bounded(Math.max(this.#bitrate, Math.min(grown, most)));
    }
    return Math.round(this.#bitrate);
  }

  #bounded(bitrate: number): number {
    return Math.max(this.#options.min, Math.min(this.#options.max, bitrate));
  }
}
