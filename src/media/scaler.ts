import type { Size } from '../frame/frame.js';
import type { Scaler } from '../live/frame-kind.js';

/** The fast scaler: the browser's own good resampling, on a canvas. Keeps the aspect, with black bars where it differs. */
export class FastScaler implements Scaler<VideoFrame> {
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D;

  constructor(readonly size: Size) {
    this.#canvas = new OffscreenCanvas(size.width, size.height);
    const context = this.#canvas.getContext('2d', { alpha: false, desynchronized: false });
    if (!context) throw new DOMException('This browser has no 2D canvas in workers.', 'NotSupportedError');
    this.#context = context;
    this.#context.imageSmoothingEnabled = true;
    this.#context.imageSmoothingQuality = 'high';
  }

  draw(frame: VideoFrame): VideoFrame {
    const { width, height } = this.size;
    const zoom = Math.min(width / frame.displayWidth, height / frame.displayHeight);
    const drawnWidth = Math.round(frame.displayWidth * zoom);
    const drawnHeight = Math.round(frame.displayHeight * zoom);
    if (drawnWidth < width || drawnHeight < height) this.#context.clearRect(0, 0, width, height);
    this.#context.drawImage(
      frame,
      Math.round((width - drawnWidth) / 2),
      Math.round((height - drawnHeight) / 2),
      drawnWidth,
      drawnHeight,
    );
    return new VideoFrame(this.#canvas, {
      timestamp: frame.timestamp,
      alpha: 'discard',
      ...(frame.duration === null ? {} : { duration: frame.duration }),
    });
  }

  dispose(): void {}
}
