/** Frames by way of a video element and a canvas, for browsers that give no streams of a track's frames. */

/** Calls back every so many milliseconds, also where the page's own timers are slowed down; what is returned ends that. */
export type Ticker = (everyMs: number, tick: () => void) => () => void;

/** From one frame to the next, in milliseconds, until frames tell. */
const USUAL_MS = 1000 / 30;
/** A longer time is a pause, not a frame rate. */
const PAUSE_MS = 500;
/** Share of the newest interval in the mean. */
const NEWEST = 1 / 8;

/**
 * Calls back with each frame that a video element, which nobody sees, shows of a track. The receiver owns the frames.
 * @param over called once when the track has ended
 * @param ticker keeps time while the page is hidden: the element then tells of no frames, but shows them to who looks
 * @returns what stops it
 */
export function readByElement(
  track: MediaStreamTrack,
  frame: (frame: VideoFrame) => void,
  over: () => void,
  ticker?: Ticker,
): () => void {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  let open = true;
  let lastUs = -1;
  let shownMs = Number.NEGATIVE_INFINITY;
  let intervalMs = USUAL_MS;
  let stopTicking: () => void = () => undefined;
  const take = (nowMs: number): void => {
    // Not the media's own time: that of a remote track may stand still in Firefox.
    lastUs = Math.max(lastUs + 1, Math.round(nowMs * 1000));
    frame(new VideoFrame(video, { timestamp: lastUs }));
  };
  const shown: VideoFrameRequestCallback = (nowMs) => {
    if (!open) return;
    video.requestVideoFrameCallback(shown);
    if (document.visibilityState === 'hidden' && ticker) return;
    const gapMs = nowMs - shownMs;
    shownMs = nowMs;
    if (gapMs < PAUSE_MS) intervalMs += NEWEST * (gapMs - intervalMs);
    take(nowMs);
  };
  const look = (): void => {
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && video.videoWidth > 0) take(performance.now());
  };
  const follow = (): void => {
    stopTicking();
    stopTicking = document.visibilityState === 'hidden' && ticker ? ticker(intervalMs, look) : () => undefined;
  };
  const stop = (): void => {
    if (!open) return;
    open = false;
    stopTicking();
    document.removeEventListener('visibilitychange', follow);
    track.removeEventListener('ended', ended);
    video.pause();
    video.srcObject = null;
  };
  const ended = (): void => {
    stop();
    over();
  };
  video.requestVideoFrameCallback(shown);
  document.addEventListener('visibilitychange', follow);
  track.addEventListener('ended', ended);
  follow();
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
