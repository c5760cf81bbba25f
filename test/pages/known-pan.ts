import { bytesOf, psnr, view } from './sources.js';

/** Time from one frame of the pan to the next, by its timestamps. */
const FRAME_US = 40_000;
/** After so many frames the pan is where it began. */
const PERIOD = 200;
/** Keys' cubic with a = -0.5 stretched to twice its width, at the eight pixels around the middle of two. */
const WEIGHTS = [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5].map((at) => cubic(Math.abs(at)) / 2);

/** One output frame, compared with the view that it shows. */
export interface Look {
  /** When it was read. */
  readonly ms: number;
  /** Number of the source frame. */
  readonly index: number;
  /** Against the view at the output's size, in dB. */
  readonly psnr: number;
  /** The same, less that of the browser's scaling of this very frame: nought where the browser made it. */
  readonly gain: number;
}

interface View {
  readonly source: Uint8ClampedArray<ArrayBuffer>;
  readonly truth: Uint8ClampedArray;
  /** PSNR of the browser's own scaling. */
  readonly scaled: number;
}

/**
 * The pan of {@link view}, shrunk as the models' training shrank its pictures, so that the network's gain over the
 * browser's scaling tells from a single frame which of them made it. What is known of a view is made once.
 */
export class KnownPan {
  readonly #views = new Map<number, Promise<View>>();

  /** @param width of a source frame; the output is twice as large */
  constructor(
    readonly width: number,
    readonly height: number,
  ) {}

  /** A source frame. */
  async frame(index: number): Promise<VideoFrame> {
    return this.#frameOf((await this.#view(index)).source, index);
  }

  /** Compares an output frame with the truth, and closes it. */
  async look(frame: VideoFrame): Promise<Look> {
    const ms = performance.now();
    const index = Math.round(frame.timestamp / FRAME_US);
    const { truth, scaled } = await this.#view(index);
    const quality = psnr(await this.#shown(frame), truth);
    return { ms, index, psnr: quality, gain: quality - scaled };
  }

  /** Pixels at the output's size. A frame that was passed through has its source's, and is enlarged by who shows it. */
  async #shown(frame: VideoFrame): Promise<ArrayLike<number>> {
    const [width, height] = [this.width * 2, this.height * 2];
    if (frame.visibleRect?.width === width) return bytesOf(frame);
    const context = this.#canvas(width, height);
    context.drawImage(frame, 0, 0, width, height);
    frame.close();
    return context.getImageData(0, 0, width, height).data;
  }

  #canvas(width: number, height: number): OffscreenCanvasRenderingContext2D {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    if (!context) throw new Error('no canvas');
    context.imageSmoothingQuality = 'high';
    return context;
  }

  #view(index: number): Promise<View> {
    const view = this.#views.get(index % PERIOD) ?? this.#make(index);
    this.#views.set(index % PERIOD, view);
    return view;
  }

  async #make(index: number): Promise<View> {
    const [width, height] = [this.width * 2, this.height * 2];
    const truth = (await view(index, width, height, 1)).data;
    const source = halved(truth, width, height);
    const context = this.#canvas(width, height);
    const frame = this.#frameOf(source, index);
    context.drawImage(frame, 0, 0, width, height);
    frame.close();
    return { source, truth, scaled: psnr(context.getImageData(0, 0, width, height).data, truth) };
  }

  #frameOf(source: Uint8ClampedArray<ArrayBuffer>, index: number): VideoFrame {
    const { width, height } = this;
    return new VideoFrame(source, {
      format: 'RGBX',
      codedWidth: width,
      codedHeight: height,
      timestamp: index * FRAME_US,
    });
  }
}

/** Half the size of a picture of 4-byte pixels; edge pixels repeat. */
function halved(pixels: Uint8ClampedArray, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const narrow = width / 2;
  const columns = new Float32Array(narrow * height * 4);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < narrow; x++)
      for (let c = 0; c < 4; c++) {
        const at = (tap: number): number => (y * width + clamp(2 * x + tap - 3, width)) * 4 + c;
        columns[(y * narrow + x) * 4 + c] = weighed((tap) => pixels[at(tap)] as number);
      }
  const out = new Uint8ClampedArray((narrow * height * 4) / 2);
  for (let y = 0; y < height / 2; y++)
    for (let i = 0; i < narrow * 4; i++) {
      const at = (tap: number): number => clamp(2 * y + tap - 3, height) * narrow * 4 + i;
      out[y * narrow * 4 + i] = weighed((tap) => columns[at(tap)] as number);
    }
  return out;
}

function weighed(sample: (tap: number) => number): number {
  return WEIGHTS.reduce((sum, weight, tap) => sum + weight * sample(tap), 0);
}

function clamp(at: number, length: number): number {
  return Math.min(length - 1, Math.max(0, at));
}

/** Keys' cubic of the width doubled: of a distance in the larger picture's pixels. */
function cubic(distance: number): number {
  const x = distance / 2;
  return x <= 1 ? 1.5 * x ** 3 - 2.5 * x ** 2 + 1 : -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2;
}

/** Frames on their way into a track. */
export interface Feed {
  /** How many there were. */
  readonly count: () => number;
  /** Ends the track as a source ends. */
  readonly close: () => void;
}

/** Writes `frame(0)`, `frame(1)` and so on, one every `intervalMs`, until the track is stopped. */
export function feed(
  writable: WritableStream<VideoFrame>,
  frame: (index: number) => Promise<VideoFrame>,
  intervalMs: number,
  written: (index: number) => void = () => undefined,
): Feed {
  const writer = writable.getWriter();
  let open = true;
  let index = 0;
  const run = async (): Promise<void> => {
    const start = performance.now();
    while (open) {
      const next = await frame(index);
      await writer.write(next).catch(() => {
        next.close();
        open = false;
      });
      written(index++);
      const wait = start + index * intervalMs - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
    }
    await writer.close().catch(() => undefined);
  };
  void run();
  return {
    count: () => index,
    close: () => {
      open = false;
    },
  };
}

/** A track that is fed by this thread. */
export function fedTrack(
  frame: (index: number) => Promise<VideoFrame>,
  intervalMs: number,
): Feed & { readonly track: MediaStreamTrack } {
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  return { track: generator, ...feed(generator.writable, frame, intervalMs) };
}
