import { packRgb } from '../../frame/colour.js';
import type { Size } from '../../frame/frame.js';
import { PlaneReader } from '../../frame/video-frame.js';
import { noTimes } from '../engine.js';
import type { GpuDevice } from './device.js';
import { Packer } from './pack.js';
import { pictureTexture } from './picture.js';
import { Presenter } from './present.js';
import { ReadBack } from './read-back.js';
import { WallTimer } from './timer.js';

/** Kinds of frames, as {@link kindOf} names them, whose import as a texture gives the right pixels here. */
export type Imports = ReadonlySet<string>;

const SIZE: Size = { width: 18, height: 10 };
const PADDED: Size = { width: 24, height: 16 };
/** What a right import may be off by: one level of 8 bits. In 0..1. */
const TOLERANCE = 1 / 255;

const RGB: VideoColorSpaceInit = { primaries: 'bt709', transfer: 'iec61966-2-1', matrix: 'rgb', fullRange: true };
const BT709: VideoColorSpaceInit = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false };
const BT601: VideoColorSpaceInit = {
  primaries: 'smpte170m',
  transfer: 'smpte170m',
  matrix: 'smpte170m',
  fullRange: false,
};

const PROBED: readonly (readonly [VideoPixelFormat, VideoColorSpaceInit])[] = [
  ['RGBX', RGB],
  ['RGBA', RGB],
  ['BGRX', RGB],
  ['BGRA', RGB],
  ['I420', BT709],
  ['I420', BT601],
  ['NV12', BT709],
];

/**
 * Finds out which kinds of frames can be imported. Browsers differ: some cannot import at all, and Chromium converts
 * the primaries of BT.601, ten levels off the formula. Such kinds go through main memory. How chroma is interpolated
 * between its samples is the platform's own choice: it smooths where our formula repeats.
 */
export async function probeImports(gpu: GpuDevice): Promise<Imports> {
  const right = new Set<string>();
  const scope = gpu.scope();
  const readBack = new ReadBack(scope);
  const packer = new Packer(scope, SIZE, PADDED, new WallTimer(noTimes()));
  const length = 3 * PADDED.width * PADDED.height;
  const packed = scope.buffer('probe', length * 4);
  const expected = new Float32Array(length);
  const reader = new PlaneReader();
  for (const [format, colorSpace] of PROBED) {
    let frame: VideoFrame | undefined;
    try {
      frame = patternFrame(format, colorSpace);
      const source = frame;
      await gpu.checked(() => packer.fromTexture(source, packed));
      packRgb(await reader.read(frame), expected, PADDED.width, PADDED.height);
      const found = await readBack.read(
        length * 4,
        (encoder, staging) => encoder.copyBufferToBuffer(packed, 0, staging, 0, length * 4),
        (mapped) => new Float32Array(mapped).slice(0, length),
      );
      if (found.every((value, i) => nearEdge(i) || Math.abs(value - (expected[i] as number)) <= TOLERANCE)) {
        right.add(kindOf(frame));
      }
    } catch {
      // A browser that cannot do this says so in many ways; all mean the way through main memory.
    } finally {
      frame?.close();
    }
  }
  scope.dispose();
  return right;
}

/** Whether frames made from a WebGPU canvas show what was drawn. */
export async function probeCanvas(gpu: GpuDevice): Promise<boolean> {
  const scope = gpu.scope();
  const readBack = new ReadBack(scope);
  let presenter: Presenter | undefined;
  let frame: VideoFrame | undefined;
  try {
    const drawn = pattern(SIZE.width * SIZE.height * 4).map((value, i) => (i % 4 === 3 ? 255 : value));
    const canvas = await gpu.checked(() => new Presenter(scope, readBack, SIZE, 'canvas'));
    presenter = canvas;
    const texture = pictureTexture(scope, 'probe', SIZE);
    gpu.queue.writeTexture({ texture }, drawn, { bytesPerRow: SIZE.width * 4 }, [SIZE.width, SIZE.height]);
    frame = await await gpu.checked(() => canvas.frame(texture, { timestampUs: 0 }));
    const shown = new Uint8Array(drawn.length);
    await frame.copyTo(shown, { format: 'RGBX' });
    return drawn.every((value, i) => i % 4 === 3 || Math.abs(value - (shown[i] as number)) <= 1);
  } catch {
    return false;
  } finally {
    frame?.close();
    presenter?.dispose();
    scope.dispose();
  }
}

/** Whether a frame is of a kind that imports rightly and fills the stream's picture pixel by pixel. */
export function canImport(imports: Imports, frame: VideoFrame, { width, height }: Size): boolean {
  const { visibleRect, displayWidth, displayHeight } = frame;
  const turned = 'rotation' in frame && frame.rotation !== 0;
  const plain = visibleRect?.width === width && visibleRect.height === height;
  return plain && !turned && displayWidth === width && displayHeight === height && imports.has(kindOf(frame));
}

/** Pixel format and colour space in one word. */
function kindOf({ format, colorSpace }: VideoFrame): string {
  const { primaries, transfer, matrix, fullRange } = colorSpace;
  return [format, primaries, transfer, matrix, fullRange].join(' ');
}

/** Bytes that look random and stay where 8-bit video of limited range is not clipped. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => 64 + ((i * 7919 + (i >> 3) * 104729) % 128));
}

/** Column of luma samples where the probe's chroma changes. */
const EDGE = 8;

/** Whether a value of the packed picture lies so near the change of chroma that smoothing reaches it. */
function nearEdge(index: number): boolean {
  return Math.abs((index % PADDED.width) + 0.5 - EDGE) < 2;
}

function patternFrame(format: VideoPixelFormat, colorSpace: VideoColorSpaceInit): VideoFrame {
  const { width, height } = SIZE;
  const rgb = colorSpace.matrix === 'rgb';
  const data = pattern(rgb ? width * height * 4 : (width * height * 3) / 2);
  if (rgb) for (let i = 3; i < data.length; i += 4) data[i] = 255;
  else {
    // Two flat fields of chroma, so that what is compared is the matrix, not the way chroma is interpolated.
    const pair = format === 'NV12' ? 2 : 1;
    for (let i = width * height; i < data.length; i++) {
      const column = Math.floor(((i - width * height) % ((width / 2) * pair)) / pair);
      const second = pair === 2 ? i % 2 === 1 : i >= (width * height * 5) / 4;
      data[i] = column < EDGE / 2 ? (second ? 100 : 150) : second ? 170 : 90;
    }
  }
  return new VideoFrame(data, { format, codedWidth: width, codedHeight: height, timestamp: 0, colorSpace });
}
