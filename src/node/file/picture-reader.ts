import type { AVPixelFormat } from 'node-av/constants';
import type { Frame } from 'node-av/lib';
import type { ColourSpace, FrameTimes, PlanarFrame } from '../../frame/frame.js';
import { tightLayout } from '../../frame/planes.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { colourTags } from '../av-colour.js';
import { type ColourTags, isHdr, readAs } from './colours.js';
import { FileError } from './file-error.js';
import { nativeFrame, Resampling } from './resampling.js';

/**
 * Takes over FFmpeg's pictures as the network reads them. 8-bit 4:2:0 comes as it is. More bits are rounded to 8 with
 * ordered dithering; other samplings become R'G'B', which keeps their chroma.
 */
export class PictureReader {
  #resampling: Resampling | undefined;
  readonly #told = new Set<string>();

  /** @param notice told once of each thing that is lost */
  constructor(
    readonly av: NodeAv,
    readonly notice: (sentence: string) => void,
  ) {}

  /** @throws FileError `unsupported` for HDR */
  async read(frame: Frame, times: FrameTimes): Promise<PlanarFrame> {
    const { constants: c, lib } = this.av;
    const tags = tagsOf(frame);
    refuseHdr(this.av, tags);
    const format = frame.format as AVPixelFormat;
    const name = lib.avGetPixFmtName(format) ?? 'unknown';
    if (frame.flags & c.AV_FRAME_FLAG_INTERLACED) {
      this.#tell('The video is interlaced and is upscaled as it lies in its frames: deinterlace it first.');
    }
    if (/^(yuva|rgba|bgra|argb|abgr|gbrap|ya)/.test(name)) this.#tell('Transparency is not kept.');
    if (/(9|10|12|14|16)(le|be)$|^(x2|p0|p2|p4|y2|xv|rgb48|bgr48|rgba64|bgra64)/.test(name)) {
      this.#tell(`The video has more than 8 bits a sample (${name}): it is dithered to 8, and so is the output.`);
    }
    const full = name.startsWith('yuvj');
    const space = readAs(this.av, tags, frame, full);
    if (format === c.AV_PIX_FMT_YUV420P || format === c.AV_PIX_FMT_YUVJ420P) return i420(frame, space, times);
    const rgb = !isSubsampledBoth(name);
    const target = nativeFrame(this.av, rgb ? c.AV_PIX_FMT_RGB0 : c.AV_PIX_FMT_YUV420P, frame);
    try {
      const range = space.fullRange ? c.AVCOL_RANGE_JPEG : c.AVCOL_RANGE_MPEG;
      if (rgb) {
        // swscale goes by what the pictures say of themselves.
        if (!/^(rgb|bgr|gbr|argb|abgr|0rgb|0bgr|pal|mono|x2rgb)/.test(name)) {
          frame.colorSpace = colourTags(this.av, space.matrix).matrix;
          frame.colorRange = range;
        }
        target.colorSpace = c.AVCOL_SPC_RGB;
        target.colorRange = c.AVCOL_RANGE_JPEG;
      } else {
        target.colorSpace = frame.colorSpace;
        frame.colorRange = target.colorRange = range;
      }
      target.colorPrimaries = frame.colorPrimaries;
      target.colorTrc = frame.colorTrc;
      this.#resampling ??= new Resampling(this.av, 'bicubic+accurate_rnd+full_chroma_int+full_chroma_inp');
      await this.#resampling.run(target, frame);
      return rgb ? rgb32(target, times) : i420(target, space, times);
    } finally {
      target.free();
    }
  }

  dispose(): void {
    this.#resampling?.dispose();
  }

  #tell(sentence: string): void {
    if (this.#told.has(sentence)) return;
    this.#told.add(sentence);
    this.notice(sentence);
  }
}

/** How a picture describes its colours. */
export function tagsOf(frame: Pick<Frame, 'colorSpace' | 'colorRange' | 'colorPrimaries' | 'colorTrc'>): ColourTags {
  return {
    matrix: frame.colorSpace,
    range: frame.colorRange,
    primaries: frame.colorPrimaries,
    transfer: frame.colorTrc,
  };
}

/** @throws FileError */
export function refuseHdr(av: NodeAv, tags: ColourTags): void {
  if (!isHdr(av, tags)) return;
  throw new FileError(
    'unsupported',
    'This is HDR video (PQ or HLG), and the networks know SDR only: convert it first, for example with FFmpeg’s zscale and tonemap filters.',
  );
}

/** Formats whose chroma has half the columns and half the lines. */
function isSubsampledBoth(name: string): boolean {
  return /420|^nv12|^nv21|^p01|^yuv410|^yuv411/.test(name);
}

function bytesOf(frame: Frame): Uint8Array {
  const { buffer, byteOffset, byteLength } = frame.toBuffer();
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function i420(frame: Frame, colourSpace: ColourSpace, times: FrameTimes): PlanarFrame {
  const { width, height } = frame;
  const planes = tightLayout('I420', { width, height });
  return { format: 'I420', width, height, data: bytesOf(frame), planes, colourSpace, ...times };
}

function rgb32(frame: Frame, times: FrameTimes): PlanarFrame {
  const { width, height } = frame;
  const colourSpace = { matrix: 'bt709', fullRange: true } as const;
  return {
    format: 'RGBX',
    width,
    height,
    data: bytesOf(frame),
    planes: [{ offset: 0, stride: 4 * width }],
    colourSpace,
    ...times,
  };
}
