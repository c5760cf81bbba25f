import type { AVPixelFormat } from 'node-av/constants';
import type { Frame, SoftwareScaleContext } from 'node-av/lib';
import { UpscaleError } from '../../frame/errors.js';
import type { ColourSpace, PlanarFormat, PlanarFrame, PlaneLayout, Size } from '../../frame/frame.js';
import { copyRows, planeSizes, tightLayout } from '../../frame/planes.js';
import { colourTags } from '../../node/av-colour.js';
import type { NodeAv } from './node-av.js';

/** FFmpeg's name of a format. Alpha is nothing that could be coded, and would only cost time. */
function pixelFormat({ constants: c }: NodeAv, format: PlanarFormat): AVPixelFormat {
  switch (format) {
    case 'I420':
      return c.AV_PIX_FMT_YUV420P;
    case 'NV12':
      return c.AV_PIX_FMT_NV12;
    case 'RGBA':
    case 'RGBX':
      return c.AV_PIX_FMT_RGB0;
    case 'BGRA':
    case 'BGRX':
      return c.AV_PIX_FMT_BGR0;
  }
}

/** Whether a format's colours are R'G'B'. */
export function isRgb(format: PlanarFormat): boolean {
  return format !== 'I420' && format !== 'NV12';
}

/**
 * A picture in FFmpeg's memory, used again for frame after frame. FFmpeg's assembly reads and writes past the ends of
 * rows: it gets memory with the padding it needs, never a buffer of ours.
 */
export class NativePicture implements Size {
  readonly frame: Frame;
  #planes: readonly Uint8Array[] | undefined;
  #strides: readonly number[] = [];

  private constructor(
    readonly av: NodeAv,
    readonly format: PlanarFormat,
    readonly width: number,
    readonly height: number,
  ) {
    const frame = new av.lib.Frame();
    frame.alloc();
    this.frame = frame;
    frame.width = width;
    frame.height = height;
    frame.format = pixelFormat(av, format);
    if (frame.getBuffer() < 0) {
      frame.free();
      throw new UpscaleError('engine-failed', `There is no memory for a picture of ${width}x${height}.`);
    }
  }

  /** The given picture if it has this shape; else a new one in its place. */
  static shaped(old: NativePicture | undefined, av: NodeAv, format: PlanarFormat, size: Size): NativePicture {
    if (old && old.format === format && old.width === size.width && old.height === size.height) return old;
    old?.dispose();
    return new NativePicture(av, format, size.width, size.height);
  }

  /** Says how the samples are to be read. R'G'B' has full range and no matrix. */
  tag({ matrix, fullRange }: ColourSpace): void {
    const { frame, av } = this;
    const { constants: c } = av;
    const rgb = isRgb(this.format);
    frame.colorSpace = rgb ? c.AVCOL_SPC_RGB : colourTags(av, matrix).matrix;
    frame.colorRange = rgb || fullRange ? c.AVCOL_RANGE_JPEG : c.AVCOL_RANGE_MPEG;
  }

  /** Copies a frame of this format and at least this size, from its top left corner on. */
  put(source: PlanarFrame): void {
    // An encoder may still hold what it was given: then this picture gets memory of its own.
    if (!this.frame.isWritable) {
      this.#planes = undefined;
      if (this.frame.makeWritable() < 0) {
        throw new UpscaleError('engine-failed', 'There is no memory for a copy of a picture.');
      }
    }
    if (!this.#planes) {
      this.#planes = this.frame.data ?? [];
      this.#strides = this.frame.linesize;
    }
    for (const [i, size] of planeSizes(this.format, this).entries()) {
      const target = this.#planes[i];
      if (!target) throw new RangeError(`A ${this.format} picture of FFmpeg's lacks a plane.`);
      const to = { offset: 0, stride: this.#strides[i] as number };
      copyRows(source.data, source.planes[i] as PlaneLayout, target, to, size);
    }
  }

  /** Frees the memory. What was read from the planes before must not be touched any more. */
  dispose(): void {
    this.#planes = undefined;
    this.frame.free();
  }
}

/** An I420 picture of FFmpeg's as a frame that owns its memory. */
export function takeI420(frame: Frame, colourSpace: ColourSpace, timestampUs: number): PlanarFrame {
  const { width, height } = frame;
  const bytes = frame.toBuffer();
  return {
    format: 'I420',
    width,
    height,
    data: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    planes: tightLayout('I420', { width, height }),
    colourSpace,
    timestampUs,
  };
}

/** One of swscale's contexts. It takes sizes, formats and colours from the pictures it is given, and keeps its tables while they stay. */
export class Resampling {
  readonly #context: SoftwareScaleContext;

  /** @param flags swscale's, by their names */
  constructor(av: NodeAv, flags: string) {
    this.#context = new av.lib.SoftwareScaleContext();
    this.#context.allocContext();
    this.#context.setOption('sws_flags', flags);
  }

  /** @throws UpscaleError `frame-unsupported` */
  run(target: Frame, source: Frame): void {
    const code = this.#context.scaleFrameSync(target, source);
    if (code < 0) throw new UpscaleError('frame-unsupported', `A picture cannot be converted (FFmpeg says ${code}).`);
  }

  dispose(): void {
    this.#context.freeContext();
  }
}
