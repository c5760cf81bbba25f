import { NUMBERS } from '../demo/barcode.js';
import { newSurface, type Surface } from '../demo/canvas.js';
import { canvasTrack } from '../demo/canvas-track.js';
import { Scene } from '../demo/scene.js';
import { Shrinker } from '../demo/shrink.js';

/** Where the published picture can come from. */
export type PictureKind = 'scene' | 'camera' | 'file';

/** A picture to publish. */
export interface PictureSource {
  readonly track: MediaStreamTrack;
  /** Ends the track and releases everything. */
  stop(): void;
}

const FRAMES_PER_SECOND = 24;

/** Whether what is drawn goes on when the page is hidden. In browsers without track generators it does not. */
export const drawsWhenHidden = typeof MediaStreamTrackGenerator !== 'undefined';

/**
 * Opens a picture of `width` pixels, of 16:9 where that is free.
 * @throws DOMException
 */
export async function openPicture(kind: PictureKind, width: number, file: File | undefined): Promise<PictureSource> {
  if (kind === 'camera') return camera(width);
  if (kind === 'scene') return testPicture(width);
  if (!file) throw new DOMException('Choose a video file first.', 'NotFoundError');
  return videoFile(file, width);
}

async function camera(width: number): Promise<PictureSource> {
  if (!navigator.mediaDevices) throw new DOMException('Cameras need https, or a page at localhost.', 'SecurityError');
  const size = { width: { ideal: width }, height: { ideal: (width * 9) / 16 }, frameRate: { ideal: 24 } };
  const [track] = (await navigator.mediaDevices.getUserMedia({ video: size })).getVideoTracks();
  if (!track) throw new DOMException('There is no video in it.', 'NotFoundError');
  return { track, stop: () => track.stop() };
}

/** An evening at a harbour, without the rows at its bottom that number the pictures. */
function testPicture(width: number): PictureSource {
  const height = (width * 9) / 16;
  const scene = new Scene(width, height);
  const surface = newSurface(width, Math.round(height * (1 - scene.numberShare)), true);
  const begunAtMs = performance.now();
  return drawn(surface, () => {
    const number = Math.floor(((performance.now() - begunAtMs) * FRAMES_PER_SECOND) / 1000);
    scene.draw(number % NUMBERS);
    surface.context.drawImage(scene.small.canvas, 0, 0);
  });
}

/** A file that plays again and again, without sound, made smaller: a film at its full size needs no upscaling. */
async function videoFile(file: File, width: number): Promise<PictureSource> {
  const video = document.createElement('video');
  const address = URL.createObjectURL(file);
  Object.assign(video, { src: address, muted: true, loop: true, playsInline: true });
  const release = (): void => {
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(address);
  };
  try {
    await video.play();
  } catch {
    release();
    throw new DOMException(`This browser cannot play ${file.name}.`, 'NotSupportedError');
  }
  const { videoWidth, videoHeight } = video;
  const zoom = Math.min(1, width / videoWidth);
  const even = (length: number): number => Math.max(16, 2 * Math.round((length * zoom) / 2));
  const surface = newSurface(even(videoWidth), even(videoHeight), true);
  const shrinker = new Shrinker(false);
  const source = drawn(surface, () => shrinker.draw(video, videoWidth, videoHeight, surface));
  return {
    track: source.track,
    stop: () => {
      source.stop();
      release();
    },
  };
}

/** A track of a surface that is drawn again for each picture. */
function drawn(surface: Surface, draw: () => void): PictureSource {
  const ticker = new Worker(new URL('./ticker.worker.ts', import.meta.url), { type: 'module' });
  if (!drawsWhenHidden) {
    const track = canvasTrack(surface.canvas);
    ticker.onmessage = draw;
    return { track, stop: () => stopAll(ticker, track) };
  }
  const track = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = track.writable.getWriter();
  let writing = false;
  ticker.onmessage = () => {
    // A picture that nobody takes is as good as none.
    if (writing) return;
    draw();
    writing = true;
    const frame = new VideoFrame(surface.canvas, { timestamp: Math.round(performance.now() * 1000) });
    writer.write(frame).then(
      () => {
        writing = false;
      },
      () => frame.close(),
    );
  };
  return { track, stop: () => stopAll(ticker, track) };
}

function stopAll(ticker: Worker, track: MediaStreamTrack): void {
  ticker.terminate();
  track.stop();
}
