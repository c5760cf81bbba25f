import type { ColourMatrix, ColourSpace, Size } from '../../frame/frame.js';
import { sameSize } from '../../frame/frame.js';
import { tightLength } from '../../frame/planes.js';
import { rgbToI420 } from '../../frame/rgb-to-i420.js';

const MATRICES: readonly unknown[] = ['bt709', 'smpte170m', 'bt2020-ncl'] satisfies ColourMatrix[];

/**
 * Makes frames for an encoder of what the network gives: I420 with the source's own matrix and range, and all of one size.
 * Browsers convert RGB by a matrix of their own choosing and say so, which would change what the file is tagged with.
 */
export class CodedFrames {
  readonly #space: ColourSpace;
  readonly #tags: VideoColorSpaceInit;
  #size: Size | undefined;
  #canvas: OffscreenCanvas | undefined;
  #rgb = new Uint8Array(0);

  /**
   * @param colour what the source says of its colours
   * @param pixelAspect width of a pixel over its height
   */
  constructor(
    colour: VideoColorSpaceInit,
    readonly pixelAspect: number,
  ) {
    const matrix = MATRICES.includes(colour.matrix) ? (colour.matrix as ColourMatrix) : 'bt709';
    this.#space = { matrix, fullRange: colour.fullRange ?? false };
    this.#tags = {
      primaries: colour.primaries ?? 'bt709',
      transfer: colour.transfer ?? 'bt709',
      matrix: matrix as VideoMatrixCoefficients,
      fullRange: this.#space.fullRange,
    };
  }

  /** Size of all frames: that of the first one. */
  get size(): Size | undefined {
    return this.#size;
  }

  /** Closes the frame. A frame of another size than the first one's is drawn inside it, its shape kept. */
  async convert(frame: VideoFrame): Promise<VideoFrame> {
    let fitted = frame;
    try {
      const given = { width: frame.displayWidth, height: frame.displayHeight };
      this.#size ??= given;
      const size = this.#size;
      if (!sameSize(given, size)) fitted = this.#fit(frame, size);
      const options = { format: 'RGBX' } as const;
      const bytes = fitted.allocationSize(options);
      if (this.#rgb.length < bytes) this.#rgb = new Uint8Array(bytes);
      const [plane] = await fitted.copyTo(this.#rgb, options);
      const data = new Uint8Array(tightLength('I420', size));
      rgbToI420(this.#rgb.subarray(plane?.offset ?? 0), plane?.stride ?? size.width * 4, size, this.#space, data);
      const init: VideoFrameBufferInit & { readonly transfer: ArrayBuffer[] } = {
        format: 'I420',
        codedWidth: size.width,
        codedHeight: size.height,
        ...(this.pixelAspect === 1
          ? {}
          : { displayWidth: Math.max(1, Math.round(size.width * this.pixelAspect)), displayHeight: size.height }),
        timestamp: frame.timestamp,
        ...(frame.duration === null ? {} : { duration: frame.duration }),
        colorSpace: this.#tags,
        transfer: [data.buffer],
      };
      return new VideoFrame(data, init);
    } finally {
      frame.close();
      if (fitted !== frame) fitted.close();
    }
  }

  #fit(frame: VideoFrame, { width, height }: Size): VideoFrame {
    this.#canvas ??= new OffscreenCanvas(width, height);
    const context = this.#canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    if (!context) throw new Error('A picture of another size could not be drawn.');
    const scale = Math.min(width / frame.displayWidth, height / frame.displayHeight);
    const [w, h] = [frame.displayWidth * scale, frame.displayHeight * scale];
    context.fillStyle = 'black';
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(frame, (width - w) / 2, (height - h) / 2, w, h);
    return new VideoFrame(this.#canvas, { timestamp: frame.timestamp });
  }
}
