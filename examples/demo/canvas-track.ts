/** A track of what is drawn on a canvas, frame by frame. */
export interface CanvasTrack {
  readonly track: MediaStreamTrack;
  /** Sends what the canvas shows now. */
  send(): void;
}

/** Makes the track. Frames are sent by hand where the browser can do that, else whenever the canvas changes. */
export function canvasTrack(canvas: HTMLCanvasElement): CanvasTrack {
  if (!('captureStream' in canvas)) {
    throw new DOMException('This browser makes no track of a canvas.', 'NotSupportedError');
  }
  const byHand = typeof CanvasCaptureMediaStreamTrack !== 'undefined';
  const track = (byHand ? canvas.captureStream(0) : canvas.captureStream()).getVideoTracks()[0];
  if (!track) throw new DOMException('This browser makes no track of a canvas.', 'NotSupportedError');
  return {
    track,
    send: () => {
      if ('requestFrame' in track) (track as CanvasCaptureMediaStreamTrack).requestFrame();
    },
  };
}
