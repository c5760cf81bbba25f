import { type Size, sameSize } from '../frame/frame.js';

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
  /** How its pixels lie in memory, or `null` where only the browser knows. */
  readonly format: VideoPixelFormat | null;
}

/** Orientation is newer than the type library. */
interface Oriented {
  readonly rotation?: number;
  readonly flip?: boolean;
}

/** The shape of a frame. */
export function shapeOf(frame: VideoFrame): FrameShape {
  const { visibleRect, codedWidth, codedHeight, displayWidth, displayHeight } = frame;
  const { rotation = 0, flip = false } = frame as Oriented;
  return {
    size: { width: visibleRect?.width ?? codedWidth, height: visibleRect?.height ?? codedHeight },
    display: { width: displayWidth, height: displayHeight },
    rotation,
    flip,
    format: frame.format,
  };
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

/**
 * Gives a picture that was made of upright square pixels the way its source is shown: pixel aspect, rotation, mirroring.
 * Owns the frame; shares its pixels.
 * @param zoom how much larger the picture is than its source
 */
export function shownLike(frame: VideoFrame, source: FrameShape, zoom: number): VideoFrame {
  const displayWidth = source.display.width * zoom;
  const displayHeight = source.display.height * zoom;
  const upright = source.rotation === 0 && !source.flip;
  if (upright && frame.displayWidth === displayWidth && frame.displayHeight === displayHeight) return frame;
  const turned = source.rotation % 180 !== 0;
  const init: VideoFrameInit & Oriented = {
    rotation: source.rotation,
    flip: source.flip,
    // Sizes are given before rotation.
    displayWidth: turned ? displayHeight : displayWidth,
    displayHeight: turned ? displayWidth : displayHeight,
    timestamp: frame.timestamp,
  };
  const shown = new VideoFrame(frame, init);
  frame.close();
  return shown;
}

/** The same pixels, to be shown at another size: the display enlarges them. The frame stays the caller's. */
export function shownAs(frame: VideoFrame, { width, height }: Size): VideoFrame {
  const { rotation = 0 } = frame as Oriented;
  const turned = rotation % 180 !== 0;
  return new VideoFrame(frame, {
    timestamp: frame.timestamp,
    displayWidth: turned ? height : width,
    displayHeight: turned ? width : height,
  });
}
