import type { Size } from '../frame/frame.js';
import type { FrameKind, FrameShape } from '../live/frame-kind.js';
import { FastScaler } from './scaler.js';

/** Orientation is newer than the type library. */
interface Oriented {
  readonly rotation?: number;
  readonly flip?: boolean;
}

/** The shape of a frame. */
function shapeOf(frame: VideoFrame): FrameShape {
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

/**
 * Gives a picture that was made of upright square pixels the way its source is shown: pixel aspect, rotation, mirroring.
 * Owns the frame; shares its pixels.
 * @param zoom how much larger the picture is than its source
 */
function shownLike(frame: VideoFrame, source: FrameShape, zoom: number): VideoFrame {
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
function shownAs(frame: VideoFrame, { width, height }: Size): VideoFrame {
  const { rotation = 0 } = frame as Oriented;
  const turned = rotation % 180 !== 0;
  return new VideoFrame(frame, {
    timestamp: frame.timestamp,
    displayWidth: turned ? height : width,
    displayHeight: turned ? width : height,
  });
}

/** Frames of the browser. */
export const VIDEO_FRAMES: FrameKind<VideoFrame> = {
  shapeOf,
  shownLike,
  shownAs,
  openScaler: (size) => new FastScaler(size),
};
