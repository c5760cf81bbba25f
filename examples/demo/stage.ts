import { fromTrack } from 'mana-upscale';
import type { Subscription } from 'rxjs';
import { fill, newSurface, type Surface, surfaceOf } from './canvas.js';
import { NumberReader } from './number-reader.js';
import type { Source } from './source.js';

/** Source frames that are remembered: longer than any delay that the upscaler adds. */
const KEPT = 64;

/** A source frame that has been seen. */
export interface Seen {
  readonly surface: Surface;
  readonly number: number | null;
  readonly timestampUs: number;
  readonly atMs: number;
}

/**
 * Is told of each upscaled frame that is shown, with the source frame it was made of where its number tells, and with the
 * time since the page saw that source frame, in milliseconds, where number or timestamp tell.
 */
export type Shown = (frame: VideoFrame, seen: Seen | undefined, delayMs: number | null) => void;

/**
 * Shows both sides of the picture in step: source frames are kept for a moment, and each upscaled frame brings the one
 * that it was made of onto the other side.
 */
export class Stage {
  /** Typical delay of the upscaler, for sources whose frames carry no number. */
  delayMs = 0;
  readonly #before: Surface;
  readonly #after: Surface;
  readonly #reader = new NumberReader();
  readonly #seen: Seen[] = [];
  #next = 0;
  #numberShare = 0;
  #reading: Subscription | undefined;
  #showing: Subscription | undefined;

  constructor(
    readonly element: HTMLElement,
    before: HTMLCanvasElement,
    after: HTMLCanvasElement,
    readonly shown: Shown,
  ) {
    this.#before = surfaceOf(before);
    this.#after = surfaceOf(after);
  }

  /** Takes another source. */
  source({ track, scene }: Source): void {
    this.#reading?.unsubscribe();
    this.#seen.length = 0;
    this.#next = 0;
    this.#numberShare = scene?.numberShare ?? 0;
    this.#reading = fromTrack(track).subscribe({
      next: (frame) => {
        this.#remember(frame);
        frame.close();
      },
      error: () => undefined,
    });
  }

  /** Shows another upscaled track, or none. The last picture stays until the new one comes. */
  output(track: MediaStreamTrack | null): void {
    this.#showing?.unsubscribe();
    if (!track) return;
    this.#showing = fromTrack(track).subscribe({
      next: (frame) => {
        this.#show(frame);
        frame.close();
      },
      error: () => undefined,
    });
  }

  #remember(frame: VideoFrame): void {
    const { displayWidth: width, displayHeight: height } = frame;
    const seen: Seen = {
      surface: this.#seen[this.#next]?.surface ?? newSurface(width, height, true),
      number: this.#reader.read(frame, this.#numberShare),
      timestampUs: frame.timestamp,
      atMs: performance.now(),
    };
    this.#seen[this.#next] = seen;
    this.#next = (this.#next + 1) % KEPT;
    fill(seen.surface, frame, width, height);
  }

  #show(frame: VideoFrame): void {
    const { displayWidth: width, displayHeight: height } = frame;
    fill(this.#after, frame, width, height);
    const number = this.#reader.read(frame, this.#numberShare);
    const certain = number === null ? undefined : this.#seen.find((seen) => seen.number === number);
    const same = certain ?? this.#seen.find((seen) => seen.timestampUs === frame.timestamp);
    const delayMs = same ? performance.now() - same.atMs : null;
    const seen = same ?? this.#delayed();
    if (seen) {
      const { canvas } = seen.surface;
      fill(this.#before, canvas, canvas.width, canvas.height);
    }
    this.#fit(width, height);
    this.shown(frame, certain, delayMs);
  }

  /** The frame that came as long ago as the upscaler takes. */
  #delayed(): Seen | undefined {
    const wanted = performance.now() - this.delayMs;
    const distance = (seen: Seen): number => Math.abs(seen.atMs - wanted);
    return this.#seen.reduce<Seen | undefined>(
      (best, seen) => (best && distance(best) <= distance(seen) ? best : seen),
      undefined,
    );
  }

  /** Gives the stage the picture's shape, less the rows with the number. */
  #fit(width: number, height: number): void {
    const visible = 1 - this.#numberShare;
    this.element.style.aspectRatio = `${width} / ${height * visible}`;
    this.element.style.setProperty('--grow', String(1 / visible));
  }
}
