import { checkFrame } from '../../frame/check.js';
import { type PlanarFrame, type Size, sameSize } from '../../frame/frame.js';
import { fitInside, withBlackBars } from '../../frame/letterbox.js';
import { tightCopy } from '../../frame/planes.js';
import { UNSPECIFIED } from '../../node/av-colour.js';
import type { VideoScaler } from './codec.js';
import { type CodecChoices, checkSize, disposed } from './limits.js';
import type { NodeAv } from './node-av.js';
import { isRgb, NativePicture, Resampling, takeI420 } from './node-av-picture.js';

/** swscale, by cubic interpolation. */
export class NodeAvScaler implements VideoScaler {
  readonly #av: NodeAv;
  readonly #choices: CodecChoices;
  #resampling: Resampling | undefined;
  #source: NativePicture | undefined;
  #target: NativePicture | undefined;
  #disposed = false;

  constructor(av: NodeAv, choices: CodecChoices) {
    this.#av = av;
    this.#choices = choices;
  }

  scale(frame: PlanarFrame, size: Size): PlanarFrame {
    if (this.#disposed) throw disposed('scaler');
    checkFrame(frame);
    checkSize(size, this.#choices.maxPixels, 'size');
    if (frame.format === 'I420' && sameSize(frame, size)) return tightCopy(frame);
    const area = fitInside(frame, size);
    const colourSpace = isRgb(frame.format) ? UNSPECIFIED : frame.colourSpace;
    this.#source = NativePicture.shaped(this.#source, this.#av, frame.format, frame);
    this.#source.tag(frame.colourSpace);
    this.#source.put(frame);
    this.#target = NativePicture.shaped(this.#target, this.#av, 'I420', area);
    this.#target.tag(colourSpace);
    this.#resampling ??= new Resampling(this.#av, 'bicubic');
    this.#resampling.run(this.#target.frame, this.#source.frame);
    const scaled = takeI420(this.#target.frame, colourSpace, frame.timestampUs);
    const whole = sameSize(area, size) ? scaled : withBlackBars(scaled, area, size);
    return frame.durationUs === undefined ? whole : { ...whole, durationUs: frame.durationUs };
  }

  dispose(): void {
    this.#disposed = true;
    this.#source?.dispose();
    this.#target?.dispose();
    this.#resampling?.dispose();
    this.#source = this.#target = this.#resampling = undefined;
  }
}
