import type { OpenProcessor, ProcessorListener } from '../../src/server/processor.js';

/** A processor that gives back what it gets, some time later. */
export interface PassThrough {
  pictures: number;
  closed: boolean;
  /** Bits a second, in the order they were told. */
  readonly bitrates: number[];
  /** Says whether it is too busy. */
  busy(on: boolean): void;
}

/** Opens processors that pass pictures through `delayMs` later; keyframes are the source's own. */
export function passThrough(delayMs = 0): { open: OpenProcessor; opened: PassThrough[] } {
  const opened: PassThrough[] = [];
  const open: OpenProcessor = (_, listener) => {
    const processor = new Passing(listener, delayMs);
    opened.push(processor);
    return processor;
  };
  return { open, opened };
}

class Passing implements PassThrough, ReturnType<OpenProcessor> {
  pictures = 0;
  closed = false;
  readonly bitrates: number[] = [];
  readonly #listener: ProcessorListener;
  readonly #delayMs: number;
  #busy = false;
  #waiting = true;

  constructor(listener: ProcessorListener, delayMs: number) {
    this.#listener = listener;
    this.#delayMs = delayMs;
    setTimeout(() => {
      if (this.closed) return;
      listener.level('pass-through', 'A test.');
      listener.delay(delayMs);
    });
  }

  push(picture: Parameters<ReturnType<OpenProcessor>['push']>[0]): boolean {
    if (this.closed) throw new Error('A closed processor was given a picture.');
    if (this.#busy || (this.#waiting && !picture.key)) return false;
    this.#waiting = false;
    this.pictures++;
    setTimeout(() => {
      if (!this.closed) this.#listener.picture(picture);
    }, this.#delayMs);
    return true;
  }

  requestKeyframe(): void {
    this.#listener.keyframeWanted();
  }

  setBitrate(bitrate: number): void {
    this.bitrates.push(bitrate);
  }

  close(): void {
    this.closed = true;
  }

  busy(on: boolean): void {
    this.#busy = on;
    this.#waiting = true;
    this.#listener.forward(on);
  }
}
