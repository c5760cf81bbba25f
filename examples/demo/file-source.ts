import { newSurface } from './canvas.js';
import { canvasTrack } from './canvas-track.js';
import { Shrinker } from './shrink.js';
import type { Size, Source } from './source.js';

/** A video file, playing in a loop without sound, shrunk to fit the size given: a film at full size is no live input. */
export async function fileSource(file: File, size: Size): Promise<Source> {
  const video = document.createElement('video');
  const address = URL.createObjectURL(file);
  video.src = address;
  video.muted = true;
  video.loop = true;
  video.playsInline = true;
  try {
    await video.play();
  } catch {
    URL.revokeObjectURL(address);
    throw new DOMException(`This browser cannot play ${file.name}.`, 'NotSupportedError');
  }
  const { videoWidth, videoHeight } = video;
  const zoom = Math.min(1, size.width / videoWidth, size.height / videoHeight);
  const even = (length: number): number => Math.max(2, 2 * Math.round((length * zoom) / 2));
  const surface = newSurface(even(videoWidth), even(videoHeight));
  const shrinker = new Shrinker(false);
  const track = canvasTrack(surface.canvas);
  let open = true;
  const shown = (): void => {
    if (!open) return;
    video.requestVideoFrameCallback(shown);
    shrinker.draw(video, videoWidth, videoHeight, surface);
  };
  shown();
  return {
    track,
    size: { width: surface.canvas.width, height: surface.canvas.height },
    stop: () => {
      open = false;
      track.stop();
      video.removeAttribute('src');
      video.load();
      URL.revokeObjectURL(address);
    },
  };
}
