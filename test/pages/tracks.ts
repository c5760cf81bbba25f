import { upscaleTrack } from '/dist/index.js';

export async function smoke(): Promise<unknown> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true });
  const track = stream.getVideoTracks()[0]!;
  const up = await upscaleTrack(track, { backend: 'wasm' });
  const events: unknown[] = [];
  for (const type of ['level', 'fallback', 'ended'] as const)
    up.addEventListener(type, (e) => events.push((e as CustomEvent).detail));
  const video = document.createElement('video');
  video.srcObject = new MediaStream([up.track]);
  video.muted = true;
  await video.play();
  await new Promise((r) => setTimeout(r, 6000));
  const stats = up.stats();
  const size = [video.videoWidth, video.videoHeight];
  up.dispose();
  await new Promise((r) => setTimeout(r, 300));
  return { stats, size, events, state: up.track.readyState, settings: track.getSettings(), iso: crossOriginIsolated };
}
