import { fileSource } from './file-source.js';
import { loopback } from './loopback.js';
import { sceneSource } from './scene-source.js';
import type { Settings } from './settings.js';
import type { Size, Source } from './source.js';

/** Opens what the settings name. Rejects with what `sentenceOf` can explain. */
export async function openSource(settings: Settings): Promise<Source> {
  const { source, size, file, sender } = settings;
  if (source === 'camera') return camera(size);
  if (source === 'screen') return screen(size);
  if (source === 'file') {
    if (!file) throw new DOMException('No file is chosen.', 'NotFoundError');
    return fileSource(file, size);
  }
  if (source === 'remote') {
    return loopback(sender === 'camera' ? await camera(size) : sceneSource(size), settings.loopback);
  }
  return sceneSource(size);
}

async function camera({ width, height }: Size): Promise<Source> {
  const devices = mediaDevices();
  return sourceOf(
    await devices.getUserMedia({
      video: { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 24 } },
    }),
  );
}

async function screen({ width, height }: Size): Promise<Source> {
  const devices = mediaDevices();
  if (!('getDisplayMedia' in devices)) {
    throw new DOMException('This browser cannot capture the screen.', 'NotSupportedError');
  }
  return sourceOf(await devices.getDisplayMedia({ video: { width: { max: width }, height: { max: height } } }));
}

function mediaDevices(): MediaDevices {
  // Absent on pages without https, except on this machine itself.
  if (!navigator.mediaDevices)
    throw new DOMException('This page may not use cameras: it is not secure.', 'SecurityError');
  return navigator.mediaDevices;
}

function sourceOf(stream: MediaStream): Source {
  const track = stream.getVideoTracks()[0];
  if (!track) throw new DOMException('There is no video in it.', 'NotFoundError');
  const { width, height } = track.getSettings();
  return { track, ...(width && height ? { size: { width, height } } : {}), stop: () => track.stop() };
}
