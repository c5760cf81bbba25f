import { yuvToRgb } from './colour.js';
import { UpscaleError } from './errors.js';
import type { ColourMatrix, ColourSpace, PlanarFormat, PlanarFrame } from './frame.js';

const MATRICES: readonly string[] = ['bt709', 'smpte170m', 'bt2020-ncl'] satisfies ColourMatrix[];
const READ_AS_THEY_ARE: readonly string[] = ['I420', 'NV12', 'RGBA', 'RGBX', 'BGRA', 'BGRX'] satisfies PlanarFormat[];

/** What a frame's pixels are called for, where its own colour space leaves it open. */
const OPEN_SPACES: readonly ColourSpace[] = [
  { matrix: 'bt709', fullRange: false },
  { matrix: 'smpte170m', fullRange: false },
  { matrix: 'bt709', fullRange: true },
  { matrix: 'smpte170m', fullRange: true },
];

/** Chroma must leave the middle by this much, on average over the looked-at pixels, before it can tell matrices apart. */
const TELLING_CHROMA = 4;
const LOOK_AT = 64;
/** A frame that could not tell is followed by this many that are not asked. */
const LOOK_EVERY = 30;

/**
 * Reads VideoFrames into memory, one after another, in a buffer that is used again.
 *
 * A frame that does not name its matrix or range is read as the browser shows it: a piece of the frame is drawn on a
 * canvas once and the candidates are compared with it. Greyish frames cannot tell, so they are asked again.
 */
export class PlaneReader {
  #buffer = new Uint8Array(0);
  #canvas: OffscreenCanvasRenderingContext2D | undefined;
  #looks = 0;
  readonly #decided = new Map<string, ColourSpace>();

  /**
   * The visible pixels of a frame. They stay valid until the next call; the frame stays the caller's.
   * @throws UpscaleError `frame-unsupported` when the browser cannot copy the frame out
   */
  async read(frame: VideoFrame): Promise<PlanarFrame> {
    const native = frame.format !== null && READ_AS_THEY_ARE.includes(frame.format);
    const format = (native ? frame.format : 'RGBX') as PlanarFormat;
    const options: VideoFrameCopyToOptions = native ? {} : { format: 'RGBX' };
    try {
      const bytes = frame.allocationSize(options);
      if (this.#buffer.length < bytes) this.#buffer = new Uint8Array(bytes);
      const layout = await frame.copyTo(this.#buffer, options);
      const rect = frame.visibleRect;
      const planar = {
        format,
        data: this.#buffer,
        planes: layout,
        width: rect?.width ?? frame.codedWidth,
        height: rect?.height ?? frame.codedHeight,
        timestampUs: frame.timestamp,
        ...(frame.duration === null ? {} : { durationUs: frame.duration }),
      };
      return {
        ...planar,
        colourSpace: this.colourSpaceOf(frame, { ...planar, colourSpace: OPEN_SPACES[0] as ColourSpace }),
      };
    } catch (cause) {
      throw new UpscaleError('frame-unsupported', `A ${frame.format ?? 'opaque'} frame could not be read.`, { cause });
    }
  }

  /** The colour space a frame says it has, or, where it says nothing, the one the browser shows it in. */
  colourSpaceOf(frame: VideoFrame, planar: PlanarFrame): ColourSpace {
    const { matrix, fullRange } = frame.colorSpace;
    const named = matrix !== null && MATRICES.includes(matrix) ? (matrix as ColourMatrix) : undefined;
    if (named && fullRange !== null) return { matrix: named, fullRange };
    const open = OPEN_SPACES.filter(
      (space) => (!named || space.matrix === named) && (fullRange === null || space.fullRange === fullRange),
    );
    const usual = open[0] ?? { matrix: named ?? 'bt709', fullRange: fullRange ?? false };
    if (open.length < 2 || (planar.format !== 'I420' && planar.format !== 'NV12')) return usual;
    const key = `${named} ${fullRange} ${planar.width}x${planar.height}`;
    const known = this.#decided.get(key);
    if (known || this.#looks++ % LOOK_EVERY !== 0) return known ?? usual;
    const shown = this.#shownSpace(frame, planar, open);
    if (shown) this.#decided.set(key, shown);
    return shown ?? usual;
  }

  /** The candidate nearest to what a canvas shows of the frame's middle, or nothing when its chroma is too weak to tell. */
  #shownSpace(frame: VideoFrame, planar: PlanarFrame, open: readonly ColourSpace[]): ColourSpace | undefined {
    this.#canvas ??= new OffscreenCanvas(LOOK_AT, LOOK_AT).getContext('2d', { willReadFrequently: true }) ?? undefined;
    const [luma, cbPlane, crPlane] = planar.planes;
    if (!this.#canvas || !luma || !cbPlane) return undefined;
    const width = Math.min(LOOK_AT, planar.width);
    const height = Math.min(LOOK_AT, planar.height);
    const left = ((planar.width - width) >> 2) * 2;
    const top = ((planar.height - height) >> 2) * 2;
    this.#canvas.imageSmoothingEnabled = false;
    this.#canvas.drawImage(frame, left, top, width, height, 0, 0, width, height);
    const shown = this.#canvas.getImageData(0, 0, width, height).data;
    const step = planar.format === 'I420' ? 1 : 2;
    const candidates = open.map(yuvToRgb);
    const errors = open.map(() => 0);
    let chroma = 0;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const column = ((left + x) >> 1) * step;
        const row = (top + y) >> 1;
        const cbAt = cbPlane.offset + row * cbPlane.stride + column;
        const crAt = crPlane && step === 1 ? crPlane.offset + row * crPlane.stride + column : cbAt + 1;
        const luminance = planar.data[luma.offset + (top + y) * luma.stride + left + x] as number;
        const cb = (planar.data[cbAt] as number) - 128;
        const cr = (planar.data[crAt] as number) - 128;
        chroma += Math.abs(cb) + Math.abs(cr);
        const at = (y * width + x) * 4;
        candidates.forEach((m, i) => {
          const grey = (luminance - m.lumaOffset) * m.luma;
          errors[i] =
            (errors[i] as number) +
            off(grey + m.redFromCr * cr, shown[at]) +
            off(grey + m.greenFromCb * cb + m.greenFromCr * cr, shown[at + 1]) +
            off(grey + m.blueFromCb * cb, shown[at + 2]);
        });
      }
    }
    if (chroma < TELLING_CHROMA * width * height) return undefined;
    return open[errors.indexOf(Math.min(...errors))];
  }
}

function off(value: number, shown: number | undefined): number {
  return Math.abs(Math.min(Math.max(value, 0), 1) * 255 - (shown ?? 0));
}
