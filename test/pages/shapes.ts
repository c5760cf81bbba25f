import { supportReport, upscaleTrack } from '/dist/index.js';
import { workerAssets } from '../../src/media/assets.js';
import type { FromIo, ToIo } from '../../src/media/browser-platform.js';
import { checkBrowserOptions } from '../../src/media/options.js';
import { hostIo } from '../../src/worker.js';
import { bytesOf, eachFrame, panTrack, psnr, sleep, until, view } from './sources.js';

const PATIENT = { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 20_000, minFrameRate: 0 } as const;

/** Quality of frame `frame` of an output twice as large as 80 x 48. Closes the frame. */
async function quality(frame: VideoFrame): Promise<number> {
  const index = Math.round(frame.timestamp / 40_000);
  return psnr(await bytesOf(frame), (await view(index, 160, 96, 1)).data);
}

/**
 * Safari's shape: the `io` side is given a track, not streams, reads it with its own MediaStreamTrackProcessor, makes the
 * output with VideoTrackGenerator and hands that track back. Here the `io` side runs in the page, where Chromium has the
 * processor, and the generator is Chromium's under Safari's interface; frames and network are real.
 */
export async function trackInWorker(): Promise<{ psnr: number; frames: number; stopped: string; original: string }> {
  const shape = globalThis as unknown as { VideoTrackGenerator: unknown };
  shape.VideoTrackGenerator = class {
    readonly track = new MediaStreamTrackGenerator({ kind: 'video' });
    readonly writable = this.track.writable;
  };
  let receive: (event: MessageEvent<ToIo>) => void = () => undefined;
  let output: MediaStreamTrack | undefined;
  let ended = false;
  let network = false;
  hostIo({
    postMessage: (message) => {
      const { data } = { data: message as FromIo };
      if (data.type === 'tell') output = data.tell;
      if (data.type === 'ended') ended = true;
      if (data.type === 'event' && data.event.type === 'level') network = data.event.to === 'full';
    },
    addEventListener: (_type, listener) => {
      receive = listener;
    },
  });
  const send = (message: ToIo): void => receive(new MessageEvent('message', { data: message }));
  const { track, done } = panTrack(80, 60, () => [80, 48, 2]);
  const clone = track.clone();
  const folder = new URL('/dist/', location.href).href;
  const assets = { engineWorker: `${folder}engine.worker.js`, ort: `${folder}ort`, models: `${folder}models` };
  send({ type: 'start', assets: workerAssets(assets) });
  send({
    type: 'open',
    id: 1,
    settings: checkBrowserOptions(PATIENT),
    source: { kind: 'track', track: clone },
    sink: { kind: 'track' },
  });
  if (!output) throw new Error('no track came back');
  let last = 0;
  let frames = 0;
  await eachFrame(output, async (frame) => {
    frames++;
    const made = network;
    const measured = await quality(frame);
    if (made) last = measured;
    return true;
  });
  await done;
  await until('the end', () => ended);
  return { psnr: last, frames, stopped: clone.readyState, original: track.readyState };
}

/** A browser without streams of a track's frames, but with a video element and a canvas: Firefox's shape in Chromium. */
export async function elementPath(): Promise<{ path: string | null; psnr: number; backend: string | null }> {
  const { track } = panTrack(150, 60, () => [80, 48, 2]);
  const Processor = MediaStreamTrackProcessor;
  const hidden = globalThis as unknown as Record<string, unknown>;
  hidden['MediaStreamTrackProcessor'] = undefined;
  delete hidden['MediaStreamTrackProcessor'];
  const { path } = supportReport();
  const upscaled = await upscaleTrack(track, PATIENT);
  hidden['MediaStreamTrackProcessor'] = Processor;
  await until('the network', () => upscaled.stats().backend === 'wasm');
  await sleep(600);
  let best = 0;
  let seen = 0;
  await eachFrame(upscaled.track, async (frame) => {
    // The canvas's track has times of its own: the frame is the pan's frame it looks most like.
    const bytes = await bytesOf(frame);
    if (++seen % 5 === 0) {
      for (let index = 0; index < 150; index++)
        best = Math.max(best, psnr(bytes, (await view(index, 160, 96, 1)).data));
    }
    return seen < 5;
  });
  const { backend } = upscaled.stats();
  upscaled.dispose();
  return { path, psnr: best, backend };
}

/** A backend that is not here: the next one is taken, and the user is told before a frame leaves from it. */
export async function noWebGpu(): Promise<{
  fallbacks: { from: string; to: string; reason: string }[];
  backend: string | null;
}> {
  const { track } = panTrack(200, 60, () => [80, 48, 2]);
  const upscaled = await upscaleTrack(track, { ...PATIENT, backend: 'webgpu' });
  const fallbacks: { from: string; to: string; reason: string }[] = [];
  upscaled.addEventListener('fallback', ({ detail: { from, to, reason } }) => fallbacks.push({ from, to, reason }));
  await until('the network', () => upscaled.stats().level === 'full');
  const { backend } = upscaled.stats();
  upscaled.dispose();
  return { fallbacks, backend };
}

/**
 * Frames that are shown turned and with wide pixels: the output's size, and its PSNR against the source as a canvas
 * shows both at the output's size, by what made the picture.
 */
export async function orientation(
  rotation: number,
  wide: boolean,
): Promise<{ size: string; psnr: Record<string, number> }> {
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = generator.writable.getWriter();
  const { data } = await view(5, 80, 48, 2);
  const still = (timestamp: number): VideoFrame => {
    const init = {
      format: 'RGBX',
      codedWidth: 80,
      codedHeight: 48,
      timestamp,
      rotation,
      ...(wide ? { displayWidth: 120, displayHeight: 48 } : {}),
    } as VideoFrameBufferInit;
    return new VideoFrame(data, init);
  };
  const upscaled = await upscaleTrack(generator, PATIENT);
  let level = 'fast';
  upscaled.addEventListener('level', ({ detail }) => {
    level = detail.to;
  });
  let fed = 0;
  const timer = setInterval(() => void writer.write(still(fed++ * 40_000)), 40);
  const drawn = (frame: VideoFrame, width: number, height: number): Uint8ClampedArray => {
    const canvas = new OffscreenCanvas(width, height).getContext('2d') as OffscreenCanvasRenderingContext2D;
    canvas.drawImage(frame, 0, 0, width, height);
    frame.close();
    return canvas.getImageData(0, 0, width, height).data;
  };
  const result: Record<string, number> = {};
  let size = '';
  let after = 0;
  await eachFrame(upscaled.track, async (frame) => {
    const [width, height] = [frame.displayWidth, frame.displayHeight];
    size = `${width}x${height}`;
    const made = level;
    const quality = psnr(drawn(frame, width, height), drawn(still(0), width, height));
    if (made === 'fast' || ++after > 4) result[made] = quality;
    return result['full'] === undefined;
  });
  clearInterval(timer);
  upscaled.dispose();
  generator.stop();
  return { size, psnr: result };
}
