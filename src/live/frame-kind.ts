import { type Size, sameSize } from '../frame/frame.js';

/** A frame that somebody owns, who closes it: `VideoFrame` in the browser, planes in memory in Node. */
export interface OwnedFrame {
  /** Microseconds. */
  readonly timestamp: number;
  /** Microseconds, or `null` where the source gave none. */
  readonly duration: number | null;
  /** Gives its memory back. */
  close(): void;
}

/** What two frames must share to belong to one window. */
export interface FrameShape {
  /** Visible pixels, as they lie in memory. */
  readonly size: Size;
  /** How large the picture is shown: after rotation, with square pixels. */
  readonly display: Size;
  /** Clockwise quarter turns to show it upright, in degrees. */
  readonly rotation: number;
  /** Whether it is shown mirrored. */
  readonly flip: boolean;
  /** How its pixels lie in memory, or `null` where only the platform knows. */
  readonly format: string | null;
}

/** Whether frames of these shapes belong to one window. */
export function sameShape(a: FrameShape, b: FrameShape): boolean {
  return (
    sameSize(a.size, b.size) &&
    sameSize(a.display, b.display) &&
    a.rotation === b.rotation &&
    a.flip === b.flip &&
    a.format === b.format
  );
}

/** The platform's own good resampling, to one size. */
export interface Scaler<F> {
  /** A frame of the scaler's size with the same picture and times. The source stays the caller's. */
  draw(frame: F): F;
  dispose(): void;
}

/** What the live core has to know of a platform's frames. */
export interface FrameKind<F extends OwnedFrame> {
  shapeOf(frame: F): FrameShape;
  /**
   * Gives a picture that was made of upright square pixels the way its source is shown. Owns the frame.
   * @param zoom how much larger the picture is than its source
   */
  shownLike(frame: F, source: FrameShape, zoom: number): F;
  /** A frame of another size, at no cost to speak of. The source stays the caller's. */
  shownAs(frame: F, size: Size): F;
  /** @throws where the platform cannot resample */
  openScaler(size: Size): Scaler<F>;
}
