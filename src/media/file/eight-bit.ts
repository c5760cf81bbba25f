import { UpscaleError } from '../../frame/errors.js';

/** Formats that engines read as they are. A frame without a format is opaque to us, not to them. */
const READABLE: readonly (string | null)[] = ['I420', 'NV12', 'RGBA', 'RGBX', 'BGRA', 'BGRX', null];

/** Makes frames of any other pixel format, as those with ten bits, into frames of eight by having the browser draw them. */
export class EightBit {
  #canvas: OffscreenCanvas | undefined;

  /** @param told is given the first such format */
  constructor(readonly told: (format: string) => void) {}

  /** Closes the frame, unless it is what is given back. */
  convert(frame: VideoFrame): VideoFrame {
    if (READABLE.includes(frame.format)) return frame;
    this.told(frame.format ?? '');
    const { timestamp, duration, visibleRect } = frame;
    const width = visibleRect?.width ?? frame.codedWidth;
    const height = visibleRect?.height ?? frame.codedHeight;
    try {
      if (this.#canvas?.width !== width || this.#canvas.height !== height) {
        this.#canvas = new OffscreenCanvas(width, height);
      }
      const context = this.#canvas.getContext('2d', { alpha: false });
      if (!context) throw new UpscaleError('frame-unsupported', `A ${frame.format} frame could not be drawn.`);
      context.drawImage(frame, 0, 0, width, height);
      return new VideoFrame(this.#canvas, { timestamp, ...(duration === null ? {} : { duration }) });
    } finally {
      frame.close();
    }
  }
}
