import type { FrameTimes } from '../frame/frame.js';

/** A frame in the ring. */
export interface RingFrame {
  /** Position in the stream since it began, from 0. */
  readonly index: number;
  /** Where its tensors are. */
  readonly slot: number;
  readonly times: FrameTimes;
  /** When it came, on the caller's clock, in milliseconds. */
  readonly arrivedMs: number;
  /** Index of the first frame of its scene. */
  readonly scene: number;
}

/** The frames one centre is fused from. */
export interface Window {
  readonly centre: RingFrame;
  /** Oldest first; a neighbour that is not known, or of another scene, is the nearest one that is neither. */
  readonly frames: readonly RingFrame[];
}

/**
 * The last frames of a stream, and which of them is due as a centre.
 *
 * A centre is due when `lookahead` frames after it are known. Each frame is handed out as a centre once, in order. A
 * window stays within its centre's scene, so that a cut changes what frames see, and not when they leave.
 * Pure: holds positions and times, no tensors.
 */
export class FrameRing {
  readonly #frames: RingFrame[] = [];
  #count = 0;
  #nextCentre = 0;

  /**
   * @param window frames per window, odd: 7
   * @param lookahead frames to wait for after a centre, 0 to (window - 1) / 2. It may change at any time: one more, and
   * a frame comes without a centre becoming due; one less, and two become due at once.
   */
  constructor(
    readonly window: number,
    public lookahead: number,
  ) {}

  /** Takes the next frame. The frame `window` places before it is forgotten and its slot used again. */
  push(times: FrameTimes, arrivedMs: number): RingFrame {
    const index = this.#count++;
    const slot = index % this.window;
    const frame = { index, slot, times, arrivedMs, scene: this.#at(index - 1)?.scene ?? index };
    this.#frames[slot] = frame;
    return frame;
  }

  /** The newest frame begins a new scene. */
  cut(): void {
    const newest = this.newest;
    if (newest) this.#frames[newest.slot] = { ...newest, scene: newest.index };
  }

  /** The newest frame. */
  get newest(): RingFrame | undefined {
    return this.#at(this.#count - 1);
  }

  /** The oldest frame that has not been a centre yet. */
  get waiting(): RingFrame | undefined {
    return this.#nextCentre < this.#count ? this.#at(this.#nextCentre) : undefined;
  }

  /** Passes over the oldest waiting centre: nobody wants its picture any more. */
  skip(): void {
    if (this.waiting) this.#nextCentre++;
  }

  /** Frames that wait to be centres. */
  get length(): number {
    return this.#count - this.#nextCentre;
  }

  /** Whether a frame has been handed out as a centre. */
  hasBeenCentre({ index }: RingFrame): boolean {
    return index < this.#nextCentre;
  }

  /** The next centre, if its lookahead is complete. */
  due(): Window | undefined {
    return this.#nextCentre + this.lookahead < this.#count ? this.overdue() : undefined;
  }

  /** The next centre, whether or not its lookahead is complete. */
  overdue(): Window | undefined {
    const centre = this.waiting;
    if (!centre) return undefined;
    this.#nextCentre++;
    const half = (this.window - 1) / 2;
    const oldest = Math.max(centre.scene, this.#count - this.window);
    let newest = Math.min(centre.index + half, this.#count - 1);
    while (this.#at(newest)?.scene !== centre.scene) newest--;
    const frames: RingFrame[] = [];
    for (let index = centre.index - half; index <= centre.index + half; index++) {
      frames.push(this.#at(Math.min(Math.max(index, oldest), newest)) as RingFrame);
    }
    return { centre, frames };
  }

  #at(index: number): RingFrame | undefined {
    return index < 0 ? undefined : this.#frames[index % this.window];
  }
}
