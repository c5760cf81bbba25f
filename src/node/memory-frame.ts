import type { PlanarFrame } from '../frame/frame.js';
import { rgbx } from '../frame/rgbx.js';
import type { FrameKind, FrameShape, OwnedFrame } from '../live/frame-kind.js';
import { PlanarScaler } from './planar-scaler.js';

/** A frame in memory that moves from thread to thread: whoever sends it has it no more. */
export class MemoryFrame implements OwnedFrame {
  /** Crosses threads as it is; everything else is read from it. */
  readonly planar: PlanarFrame;

  /** @param planar with a buffer of its own: it is transferred */
  constructor(planar: PlanarFrame) {
    this.planar = planar;
  }

  get timestamp(): number {
    return this.planar.timestampUs;
  }

  get duration(): number | null {
    return this.planar.durationUs ?? null;
  }

  /** Its memory is the garbage collector's. */
  close(): void {}
}

/** A frame around planes that somebody may still hold a part of: only a buffer that is all theirs is taken as it is. */
export function memoryFrame(planar: PlanarFrame): MemoryFrame {
  const { data } = planar;
  const whole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
  return new MemoryFrame(whole ? planar : { ...planar, data: Uint8Array.from(data) });
}

function shapeOf({ planar }: MemoryFrame): FrameShape {
  const size = { width: planar.width, height: planar.height };
  return { size, display: size, rotation: 0, flip: false, format: planar.format };
}

/** Frames in memory. Their fast scaler is our own, in R'G'B'. */
export const MEMORY_FRAMES: FrameKind<MemoryFrame> = {
  shapeOf,
  shownLike: (frame) => frame,
  shownAs: (frame, size) => new MemoryFrame(new PlanarScaler(size, 'nearest').scale(frame.planar)),
  openScaler: (size) => {
    const scaler = new PlanarScaler(size, 'mitchell');
    return { draw: ({ planar }) => new MemoryFrame(scaler.scale(planar)), dispose: () => undefined };
  },
};

/** How the engine makes a frame of its pixels. */
export const engineMemory = {
  read: ({ planar }: MemoryFrame): PlanarFrame => planar,
  write: (
    pixels: Uint8ClampedArray,
    { width, height }: { width: number; height: number },
    times: { timestampUs: number; durationUs?: number },
  ): MemoryFrame => new MemoryFrame(rgbx(pixels.slice(), width, height, times)),
};
