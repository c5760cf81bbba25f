import { lastValueFrom, Subject, tap } from 'rxjs';
import { frames, isSupported, manaUpscale, supportReport, type UpscaleStats, upscaleTrack } from '/dist/index.js';
import { bytesOf, psnr, sleep, until, view, viewFrame } from './sources.js';

const LOOKAHEAD = 3;
const PATIENT = { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 20_000, minFrameRate: 0 } as const;

/** Index of the pan's frame, written as black and white cells along the bottom row of blocks: tracks here lose timestamps. */
const BITS = 8;

async function panCanvas(width: number, height: number): Promise<{ track: MediaStreamTrack; stop(): void }> {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  let index = 0;
  const draw = async (): Promise<void> => {
    const image = await view(index, width, height, 2);
    context.putImageData(image, 0, 0);
    for (let bit = 0; bit < BITS; bit++) {
      context.fillStyle = (index >> bit) & 1 ? '#fff' : '#000';
      context.fillRect(bit * 8, height - 8, 8, 8);
    }
    index = (index + 1) % 200;
  };
  await draw();
  const timer = setInterval(draw, 100);
  return { track: canvas.captureStream().getVideoTracks()[0] as MediaStreamTrack, stop: () => clearInterval(timer) };
}

function indexOf(pixels: Uint8ClampedArray, width: number, height: number): number {
  let index = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const at = ((height - 8) * width + bit * 16 + 8) * 4;
    if ((pixels[at] as number) > 127) index |= 1 << bit;
  }
  return index;
}

/** Upscales a canvas's track and compares what a video element shows of the output with the view at twice the size. */
export async function upscaledCanvas(): Promise<{
  psnr: number[];
  size: string;
  stats: UpscaleStats;
  state: string;
  report: unknown;
}> {
  const [width, height] = [160, 96];
  const source = await panCanvas(width, height);
  const upscaled = await upscaleTrack(source.track, PATIENT);
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = new MediaStream([upscaled.track]);
  document.body.append(video);
  await video.play();
  await until('the network', () => upscaled.stats().framesByLevel.full > 15);
  const canvas = document.createElement('canvas');
  canvas.width = width * 2;
  canvas.height = height * 2;
  const context = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  const quality: number[] = [];
  const seen = new Set<number>();
  while (quality.length < 5) {
    await sleep(150);
    context.drawImage(video, 0, 0, width * 2, height * 2);
    const shown = context.getImageData(0, 0, width * 2, height * 2).data;
    const index = indexOf(shown, width * 2, height * 2);
    if (seen.has(index)) continue;
    seen.add(index);
    const truth = (await view(index, width * 2, height * 2, 1)).data;
    const rows = (height * 2 - 32) * width * 2 * 4;
    quality.push(psnr(shown.subarray(0, rows), truth.subarray(0, rows)));
  }
  const stats = upscaled.stats();
  const size = `${video.videoWidth}x${video.videoHeight}`;
  source.track.stop();
  source.stop();
  await until('the end', () => upscaled.track.readyState === 'ended');
  return { psnr: quality, size, stats, state: upscaled.track.readyState, report: supportReport() };
}

/** VideoFrames through the operator: all come out with their timestamps; PSNR of the last. */
export async function operator(): Promise<{ timestamps: number[]; psnr: number; supported: boolean }> {
  const source = new Subject<VideoFrame>();
  const timestamps: number[] = [];
  let quality = 0;
  let latest: UpscaleStats | undefined;
  const copies: Promise<void>[] = [];
  const done = lastValueFrom(
    source.pipe(
      manaUpscale({
        ...PATIENT,
        onStats: (stats) => {
          latest = stats;
        },
      }),
      tap((frame) => {
        timestamps.push(frame.timestamp);
        const index = frame.timestamp / 40_000;
        copies.push(
          bytesOf(frame).then(async (bytes) => {
            quality = psnr(bytes, (await view(index, 160, 96, 1)).data);
          }),
        );
      }),
    ),
  );
  let index = 0;
  while (latest?.lookahead !== LOOKAHEAD) {
    source.next(await viewFrame(index, 80, 48, index * 40_000));
    index++;
    await sleep(60);
  }
  // What was pushed until now has come out, or was dropped, or waits for the frames after it.
  await until('the others', () => {
    const dropped = Object.values(latest?.framesDropped ?? {}).reduce((sum, frames) => sum + frames, 0);
    return index - dropped - timestamps.length === LOOKAHEAD;
  });
  const before = timestamps.length;
  for (let more = 1; more <= 10; more++, index++) {
    source.next(await viewFrame(index, 80, 48, index * 40_000));
    await until(`the answer to frame ${index}`, () => timestamps.length >= before + more);
  }
  source.complete();
  await done;
  await Promise.all(copies);
  return {
    timestamps: timestamps.slice(-10).map((timestamp) => timestamp / 40_000 - index),
    psnr: quality,
    supported: isSupported(),
  };
}

/** Pulls a few frames of a track. */
export async function pulled(): Promise<string[]> {
  const source = await panCanvas(80, 48);
  const sizes: string[] = [];
  for await (const frame of frames(source.track, PATIENT)) {
    sizes.push(`${frame.displayWidth}x${frame.displayHeight}`);
    frame.close();
    if (sizes.length === 5) break;
  }
  source.stop();
  return sizes;
}
