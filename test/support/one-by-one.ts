import type { NodeUpscaleOptions, PlanarFrame } from 'mana-upscale/node';
import {
  defer,
  EMPTY,
  lastValueFrom,
  merge,
  type Observable,
  type OperatorFunction,
  Subject,
  tap,
  toArray,
} from 'rxjs';

/** Whatever it takes: what is compared must not depend on the machine. */
export const PATIENT = {
  lookahead: 0,
  budgetMs: Number.POSITIVE_INFINITY,
  minFrameRate: 0,
  threads: 1,
  backend: 'wasm',
} as const satisfies NodeUpscaleOptions;

type Upscaling = OperatorFunction<PlanarFrame, PlanarFrame>;

/** Frames that go in one at a time. */
export class FrameSource {
  readonly #out = new Subject<PlanarFrame>();
  #next = 0;

  /** @param error what comes right after the last frame; else the stream ends when that frame has come out */
  constructor(
    readonly frames: readonly PlanarFrame[],
    readonly error?: Error,
  ) {}

  /** Gives the next frame, or the end. */
  next(): void {
    const frame = this.frames[this.#next++];
    if (frame) this.#out.next(frame);
    else this.#out.complete();
    if (this.error && this.#next === this.frames.length) this.#out.error(this.error);
  }

  /** Gives each frame when the one before has come out: none is replaced, however slow the machine is. */
  through(upscaling: Upscaling): Observable<PlanarFrame> {
    const first = defer(() => {
      this.next();
      return EMPTY;
    });
    return merge(
      this.#out.pipe(
        upscaling,
        tap(() => this.next()),
      ),
      first,
    );
  }
}

/** What comes of frames, each given when the one before has come out. */
export function oneByOne(frames: readonly PlanarFrame[], upscaling: Upscaling): Promise<PlanarFrame[]> {
  return lastValueFrom(new FrameSource(frames).through(upscaling).pipe(toArray()));
}
