/** A track of what is drawn on a canvas: a frame each time that it has changed. */
export function canvasTrack(canvas: HTMLCanvasElement): MediaStreamTrack {
  const track = 'captureStream' in canvas ? canvas.captureStream().getVideoTracks()[0] : undefined;
  if (!track) throw new DOMException('This browser makes no track of a canvas.', 'NotSupportedError');
  return track;
}
