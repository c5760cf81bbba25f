import { fill, newSurface, type Surface } from './canvas.js';
import type { MeasureAnswer, MeasureRequest } from './measure.worker.js';
import { psnr } from './psnr.js';
import type { Scene } from './scene.js';
import type { Seen } from './stage.js';

const EVERY_MS = 500;
const MEAN_OF = 8;

/** PSNR of luma in dB, ours and of bicubic enlargement of the same source frame. */
export interface Quality {
  readonly ours: number;
  readonly bicubic: number;
}

/** Compares shown frames of the scene with the truth, now and then, in a worker. */
export class TruthMeter {
  readonly #worker = new Worker(new URL('./measure.worker.ts', import.meta.url), { type: 'module' });
  #shown: Surface | undefined;
  #answers: MeasureAnswer[] = [];
  #busy = false;
  #lastMs = 0;
  /** Answers for frames of an older round are thrown away. */
  #round = 0;
  #asked = 0;

  /** @param tell gets the mean of the last few measurements */
  constructor(readonly tell: (quality: Quality) => void) {
    this.#worker.addEventListener('message', ({ data }: MessageEvent<MeasureAnswer>) => this.#take(data));
  }

  /** Forgets what was measured. */
  reset(): void {
    this.#round++;
    this.#answers = [];
  }

  /** Measures a frame when it is time. The frame stays the caller's. */
  offer(frame: VideoFrame, seen: Seen, scene: Scene): void {
    const now = performance.now();
    if (this.#busy || seen.number === null || now - this.#lastMs < EVERY_MS) return;
    this.#lastMs = now;
    this.#busy = true;
    this.#asked = this.#round;
    const { displayWidth: width, displayHeight: height } = frame;
    this.#shown ??= newSurface(width, height, true);
    fill(this.#shown, frame, width, height);
    const source = seen.surface;
    const request: MeasureRequest = {
      shown: this.#shown.context.getImageData(0, 0, width, height),
      source: source.context.getImageData(0, 0, source.canvas.width, source.canvas.height),
      truth: scene.truth(seen.number, width, height),
      share: 1 - scene.numberShare,
    };
    this.#worker.postMessage(request, [
      request.shown.data.buffer,
      request.source.data.buffer,
      request.truth.data.buffer,
    ]);
  }

  #take(answer: MeasureAnswer): void {
    this.#busy = false;
    if (this.#asked !== this.#round) return;
    this.#answers = [...this.#answers.slice(1 - MEAN_OF), answer];
    const mean = (of: keyof MeasureAnswer): number =>
      this.#answers.reduce((sum, each) => sum + each[of], 0) / this.#answers.length;
    this.tell({ ours: psnr(mean('ours')), bicubic: psnr(mean('bicubic')) });
  }
}
