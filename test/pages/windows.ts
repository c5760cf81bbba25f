import { type UpscaleStats, upscaleTrack } from '/dist/index.js';
import { base64, bytesOf, eachFrame, sleep, until, view } from './sources.js';

/** A run of frames that must not look at those before it. */
export interface Scene {
  /** Why it begins. */
  readonly cause: string;
  /** Source frames, 4-byte pixels. */
  readonly frames: string[];
  /** The output of each. */
  readonly out: (string | undefined)[];
}

const [WIDTH, HEIGHT, LENGTH] = [80, 48, 8] as const;
const STEP_US = 40_000;

/**
 * One stream whose source is interrupted in all ways, one after another: for each scene its frames and what came out.
 * Between them the picture goes on panning, so that nothing but the interruption tells one scene from the next.
 */
export async function scenes(): Promise<{ scenes: Scene[]; stats: UpscaleStats; before: UpscaleStats }> {
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = generator.writable.getWriter();
  const upscaled = await upscaleTrack(generator, {
    backend: 'wasm',
    model: 'mana-nano-x2',
    budgetMs: 20_000,
    minFrameRate: 0,
  });
  const out = new Map<number, string>();
  const reading = eachFrame(upscaled.track, async (frame) => {
    const { timestamp } = frame;
    out.set(timestamp, base64(await bytesOf(frame)));
    return true;
  });
  let fed = 0;
  let index = 0;
  let timestamp = 1e8;
  const made: { cause: string; frames: string[]; timestamps: number[] }[] = [];
  const feed = async (init: { rotation?: number; format?: VideoPixelFormat }, turned = false): Promise<string> => {
    const { data } = await view(index, WIDTH, HEIGHT);
    if (turned) new Uint32Array(data.buffer).reverse();
    const { format = 'RGBX', ...more } = init;
    const bytes = new Uint8Array(data);
    if (format === 'BGRX') for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 3).reverse();
    const shape = { codedWidth: WIDTH, codedHeight: HEIGHT, timestamp, format, ...more };
    await writer.write(new VideoFrame(bytes, shape));
    fed++;
    // A track keeps one frame for its reader: the next one would take its place.
    await until('the frame to be read', () => upscaled.stats().framesReceived >= fed);
    index++;
    timestamp += STEP_US;
    return base64(new Uint8Array(data));
  };
  const scene = async (cause: string, init: Parameters<typeof feed>[0] = {}, turned = false): Promise<void> => {
    const frames: string[] = [];
    const timestamps: number[] = [];
    for (let i = 0; i < LENGTH; i++) {
      timestamps.push(timestamp);
      frames.push(await feed(init, turned));
    }
    made.push({ cause, frames, timestamps });
  };
  while (upscaled.stats().lookahead < 3) await feed({});
  await sleep(300);
  const before = upscaled.stats();
  generator.dispatchEvent(new Event('mute'));
  await sleep(200);
  await scene('mute');
  await scene('format', { format: 'BGRX' });
  await scene('rotation', { format: 'BGRX', rotation: 180 });
  timestamp = 0;
  await scene('source', { format: 'BGRX', rotation: 180 });
  timestamp += 5e6;
  await scene('gap', { format: 'BGRX', rotation: 180 });
  await scene('cut', { format: 'BGRX', rotation: 180 }, true);
  await writer.close();
  await reading;
  await until('the end', () => upscaled.track.readyState === 'ended');
  const named = made.map(({ cause, frames, timestamps }) => ({
    cause,
    frames,
    out: timestamps.map((time) => out.get(time)),
  }));
  return { scenes: named, stats: upscaled.stats(), before };
}
