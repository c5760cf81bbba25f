/** Frames by way of a video element and a canvas, for browsers that give no streams of a track's frames. */

/**
 * Calls back with each frame that a hidden video element shows of a track. The receiver owns the frames.
 * @param over called once when the track has ended
 * @returns what stops it
 */
export function readByElement(
  track: MediaStreamTrack,
  frame: (frame: VideoFrame) => void,
  over: () => void,
): () => void {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  let open = true;
  let last = -1;
  const stop = (): void => {
    if (!open) return;
    open = false;
    track.removeEventListener('ended', ended);
    video.pause();
    video.srcObject = null;
  };
  const ended = (): void => {
    stop();
    over();
  };
  const shown: VideoFrameRequestCallback = (_now, { mediaTime }) => {
    if (!open) return;
    video.requestVideoFrameCallback(shown);
    // Times of a live element may stand still for a moment; the pipeline needs them to rise.
    last = Math.max(last + 1, Math.round(mediaTime * 1e6));
    frame(new VideoFrame(video, { timestamp: last }));
  };
  video.requestVideoFrameCallback(shown);
  track.addEventListener('ended', ended);
  video.play().catch(() => undefined);
  return stop;
}

/** A track made of frames drawn on a canvas. */
export interface CanvasTrack {
  readonly track: MediaStreamTrack;
  /** Shows a frame and closes it. */
  draw(frame: VideoFrame): void;
}

/** Makes a track of a canvas that is not in the page. */
export function trackOfCanvas(): CanvasTrack {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { alpha: false });
  const track = canvas.captureStream().getVideoTracks()[0];
  if (!context || !track) throw new DOMException('This browser makes no track of a canvas.', 'NotSupportedError');
  return {
    track,
    draw: (frame) => {
      if (canvas.width !== frame.displayWidth || canvas.height !== frame.displayHeight) {
        canvas.width = frame.displayWidth;
        canvas.height = frame.displayHeight;
      }
      context.drawImage(frame, 0, 0);
      frame.close();
    },
  };
}
