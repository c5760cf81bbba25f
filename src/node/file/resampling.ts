import type { AVPixelFormat } from 'node-av/constants';
import type { Frame, SoftwareScaleContext } from 'node-av/lib';
import type { Size } from '../../frame/frame.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { succeed } from './ffmpeg.js';
import { FileError } from './file-error.js';

/** A picture in FFmpeg's own memory: its assembly reads and writes past the ends of rows. The caller frees it. */
export function nativeFrame({ lib }: NodeAv, format: AVPixelFormat, { width, height }: Size): Frame {
  const frame = new lib.Frame();
  frame.alloc();
  frame.width = width;
  frame.height = height;
  frame.format = format;
  if (frame.getBuffer() >= 0) return frame;
  frame.free();
  throw new FileError('unsupported', `There is no memory for a picture of ${width}x${height}.`);
}

/** One of swscale's contexts, off this thread. It takes sizes, formats and colours from the pictures it is given. */
export class Resampling {
  readonly #context: SoftwareScaleContext;

  /** @param flags swscale's, by their names */
  constructor(
    readonly av: NodeAv,
    flags: string,
  ) {
    this.#context = new av.lib.SoftwareScaleContext();
    this.#context.allocContext();
    this.#context.setOption('sws_flags', flags);
  }

  async run(target: Frame, source: Frame): Promise<void> {
    succeed(this.av, await this.#context.scaleFrame(target, source), 'unsupported', 'A picture cannot be converted');
  }

  dispose(): void {
    this.#context.freeContext();
  }
}
