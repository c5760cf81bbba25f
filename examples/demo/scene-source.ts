import { NUMBERS } from './barcode.js';
import { canvasTrack } from './canvas-track.js';
import { Scene } from './scene.js';
import type { Size, Source } from './source.js';

const FRAMES_PER_SECOND = 24;

/** The built-in scene as a track. Frames that the page has no time for are left out, so that the scene keeps its pace. */
export function sceneSource({ width, height }: Size): Source {
  const scene = new Scene(width, height);
  const track = canvasTrack(scene.small.canvas);
  const interval = 1000 / FRAMES_PER_SECOND;
  const start = performance.now();
  let last = -1;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tick = (): void => {
    const frame = Math.floor((performance.now() - start) / interval);
    // Timers may fire a little early.
    if (frame > last) scene.draw(frame % NUMBERS);
    last = frame;
    timer = setTimeout(tick, Math.max(1, Math.ceil(start + (frame + 1) * interval - performance.now())));
  };
  tick();
  return {
    track,
    size: { width, height },
    scene,
    stop: () => {
      clearTimeout(timer);
      track.stop();
    },
  };
}
