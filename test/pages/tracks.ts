import { lastValueFrom, Subject, tap, toArray } from 'rxjs';
import {
  frames,
  fromTrack,
  isSupported,
  manaUpscale,
  shareFrames,
  supportReport,
  type UpscaleStats,
  upscaleTrack,
} from '/dist/index.js';
import { base64, bytesOf, eachFrame, panTrack, psnr, sleep, until, view, viewFrame } from './sources.js';

/** A budget that a slow test machine keeps: what is tested here are pixels, not time. */
const PATIENT = { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 20_000, minFrameRate: 0 } as const;

async function camera(): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true });
  return stream.getVideoTracks()[0] as MediaStreamTrack;
}

/** Upscales the camera and gives back `count` output frames that the network made. */
export async function upscaledCamera(count: number): Promise<{ frames: string[]; stats: UpscaleStats; width: number }> {
  const source = await camera();
  const upscaled = await upscaleTrack(source, PATIENT);
  const seen: string[] = [];
  let width = 0;
  await until('the network', () => upscaled.stats().backend === 'wasm');
  await eachFrame(upscaled.track, async (frame) => {
    width = frame.displayWidth;
    seen.push(base64(await bytesOf(frame)));
    return seen.length < count;
  });
  const stats = upscaled.stats();
  upscaled.dispose();
  source.stop();
  return { frames: seen, stats, width };
}

/** Sends the pan through a WebRTC connection and upscales what is received; gives back what went in and what came out. */
export async function loopback(count: number): Promise<{ input: Received[]; output: Received[] }> {
  const [sender, receiver] = [new RTCPeerConnection(), new RTCPeerConnection()];
  sender.onicecandidate = ({ candidate }) => void (candidate && receiver.addIceCandidate(candidate));
  receiver.onicecandidate = ({ candidate }) => void (candidate && sender.addIceCandidate(candidate));
  const remote = new Promise<MediaStreamTrack>((resolve) => {
    receiver.ontrack = ({ track }) => resolve(track);
  });
  const { track, done } = panTrack(count, 100, () => [160, 96, 2]);
  let network = false;
  sender.addTrack(track, new MediaStream([track]));
  await sender.setLocalDescription();
  await receiver.setRemoteDescription(sender.localDescription as RTCSessionDescription);
  await receiver.setLocalDescription();
  await sender.setRemoteDescription(receiver.localDescription as RTCSessionDescription);

  const input: Received[] = [];
  const output: Received[] = [];
  const copies: Promise<void>[] = [];
  const subscription = fromTrack(await remote)
    .pipe(
      tap((frame) => {
        const copy = frame.clone();
        copies.push(planes(copy).then((received) => void input.push(received)));
      }),
      manaUpscale({
        ...PATIENT,
        onStats: ({ lookahead }) => {
          network = lookahead === 3;
        },
      }),
    )
    .subscribe((frame) => {
      if (network) copies.push(planes(frame).then((received) => void output.push(received)));
      else frame.close();
    });
  await done;
  await sleep(500);
  subscription.unsubscribe();
  await Promise.all(copies);
  sender.close();
  receiver.close();
  return { input, output };
}

/** A frame out of the page. */
export interface Received {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  readonly timestampUs: number;
  readonly data: string;
  readonly planes: { offset: number; stride: number }[];
  readonly matrix: string | null;
  readonly fullRange: boolean | null;
}

async function planes(frame: VideoFrame): Promise<Received> {
  const bytes = new Uint8Array(frame.allocationSize());
  const layout = await frame.copyTo(bytes);
  const { format, visibleRect, timestamp, colorSpace } = frame;
  frame.close();
  return {
    format: format ?? '',
    width: visibleRect?.width ?? 0,
    height: visibleRect?.height ?? 0,
    timestampUs: timestamp,
    data: base64(bytes),
    planes: layout,
    matrix: colorSpace.matrix,
    fullRange: colorSpace.fullRange,
  };
}

/** The source changes size twice; every output frame's size, level and PSNR against the view at twice the first size. */
export async function resolutionSwitch(): Promise<{
  sizes: string[];
  psnr: number[];
  timestamps: number[];
  levels: string[];
  input: string[];
}> {
  const input = new Set<string>();
  const { track, done } = panTrack(150, 60, (index) => (index >= 50 && index < 100 ? [80, 48, 4] : [160, 96, 2]));
  const upscaled = await upscaleTrack(track, PATIENT);
  const levels: string[] = [];
  upscaled.addEventListener('level', ({ detail }) => levels.push(detail.to));
  upscaled.stats$.subscribe(({ inputSize }) => input.add(`${inputSize?.width}`));
  const sizes = new Set<string>();
  const quality: number[] = [];
  const timestamps: number[] = [];
  const reading = eachFrame(upscaled.track, async (frame) => {
    sizes.add(`${frame.displayWidth}x${frame.displayHeight}`);
    timestamps.push(frame.timestamp);
    const index = Math.round(frame.timestamp / 40_000);
    quality.push(psnr(await bytesOf(frame), (await view(index, 320, 192, 1)).data));
    return true;
  });
  await done;
  await reading;
  return { sizes: [...sizes], psnr: quality, timestamps, levels, input: [...input] };
}

/** `count` frames through the network, one at a time: nothing is dropped, all come out, all are closed. */
export async function manyFrames(
  count: number,
): Promise<{ pushed: number; out: number; inOrder: boolean; heapGrowth: number; stats: UpscaleStats | undefined }> {
  const source = new Subject<VideoFrame>();
  let stats: UpscaleStats | undefined;
  let pushed = 0;
  let out = 0;
  let last = -1;
  let inOrder = true;
  let network = false;
  const finished = lastValueFrom(
    source.pipe(
      manaUpscale({
        ...PATIENT,
        onStats: (latest) => {
          stats = latest;
        },
        onEvent: ({ type }) => {
          network ||= type === 'level';
        },
      }),
      tap((frame) => {
        out++;
        inOrder &&= frame.timestamp > last;
        last = frame.timestamp;
        frame.close();
      }),
    ),
    { defaultValue: undefined },
  );
  // The next frame is pushed when this one's centre is out, or cannot be yet.
  const push = async (): Promise<void> => {
    source.next(await viewFrame(pushed, 48, 32, pushed * 40_000));
    pushed++;
    await until(`frame ${pushed}`, () => out >= pushed - 4);
    await sleep(network ? 0 : 40);
  };
  while (!network) await push();
  const heap = (): number => {
    (globalThis as unknown as { gc(): void }).gc();
    return (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize;
  };
  for (let i = 0; i < 50; i++) await push();
  const before = heap();
  for (let i = 50; i < count; i++) await push();
  source.complete();
  await finished;
  await sleep(300);
  return { pushed, out, inOrder, heapGrowth: heap() - before, stats };
}

/** How often figures come in five seconds in which nothing happens, and whether they know of the frames. */
export async function figures(): Promise<{ told: number; rising: boolean }> {
  const { track } = panTrack(1000, 40, () => [48, 32, 2]);
  const upscaled = await upscaleTrack(track, PATIENT);
  await until('the whole lookahead', () => upscaled.stats().lookahead === 3);
  await sleep(1500);
  const delivered: number[] = [];
  const subscription = upscaled.stats$.subscribe(({ framesDelivered }) => delivered.push(framesDelivered));
  await sleep(5000);
  subscription.unsubscribe();
  upscaled.dispose();
  track.stop();
  const rising = delivered.every((count, i) => i === 0 || count > (delivered[i - 1] as number));
  // The first is the latest, which is told to whoever begins to listen.
  return { told: delivered.length - 1, rising };
}

/** Everything there is to say about the end of streams. */
export async function endings(): Promise<Record<string, unknown>> {
  const result: Record<string, unknown> = {};
  const sized = (): [number, number, number] => [48, 32, 2];

  // The source ends: so does the output, after its last frame.
  const first = panTrack(30, 40, sized);
  first.track.contentHint = 'detail';
  const ending = await upscaleTrack(first.track, PATIENT);
  result['contentHint'] = ending.track.contentHint;
  let last = -1;
  await eachFrame(ending.track, async (frame) => {
    last = frame.timestamp / 40_000;
    frame.close();
    return true;
  });
  result['lastFrame'] = last;
  await until('the end', () => ending.track.readyState === 'ended');

  // The output is stopped by its user: the source goes on.
  const second = panTrack(60, 40, sized);
  const stopped = await upscaleTrack(second.track, PATIENT);
  let completed = false;
  stopped.stats$.subscribe({
    complete: () => {
      completed = true;
    },
  });
  await sleep(200);
  stopped.track.stop();
  await until('the stream to end', () => completed);
  result['sourceAfterStop'] = second.track.readyState;

  // A signal.
  const abort = new AbortController();
  const third = await upscaleTrack(second.track, { ...PATIENT, signal: abort.signal });
  abort.abort();
  await until('the abort', () => third.track.readyState === 'ended');
  result['afterAbort'] = await upscaleTrack(second.track, { signal: abort.signal }).catch((error: Error) => error.name);
  second.track.stop();
  result['endedSource'] = await upscaleTrack(second.track).catch((error: Error) => `${error.name}: ${error.message}`);
  result['badOption'] = await upscaleTrack(first.track).catch((error: Error) => error.name);
  const live = panTrack(5, 40, sized);
  result['badScale'] = await upscaleTrack(live.track, { scale: 7 }).catch(
    (error: Error) => `${error.name}: ${error.message}`,
  );
  live.track.stop();
  result['supported'] = isSupported();
  result['report'] = supportReport();
  await sleep(500);
  return result;
}

/** A model or a worker that cannot be fetched: the track stays alive with fast-scaled frames, and says why. */
export async function missing(
  what: 'model' | 'worker',
): Promise<{ reasons: string[]; levels: string[]; psnr: number; backend: string | null }> {
  const { track } = panTrack(60, 40, () => [160, 96, 2]);
  const lacking = what === 'model' ? { model: '/nowhere/manifest.json' } : { assets: { engineWorker: '/nowhere.js' } };
  const upscaled = await upscaleTrack(track, { ...PATIENT, ...lacking });
  const reasons: string[] = [];
  upscaled.addEventListener('fallback', ({ detail }) => reasons.push(detail.reason));
  let seen = 0;
  let quality = 0;
  await eachFrame(upscaled.track, async (frame) => {
    seen++;
    const index = Math.round(frame.timestamp / 40_000);
    quality = psnr(await bytesOf(frame), (await view(index, 320, 192, 1)).data);
    return seen < 40;
  });
  const { backend, framesByLevel } = upscaled.stats();
  upscaled.dispose();
  return {
    reasons,
    levels: Object.entries(framesByLevel).flatMap(([level, count]) => (count ? [level] : [])),
    psnr: quality,
    backend,
  };
}

/** A network that cannot keep the budget, and has no smaller one: how the stream stands when that is known. */
export async function tooSlow(): Promise<UpscaleStats> {
  const { track } = panTrack(1500, 40, () => [320, 192, 1]);
  const upscaled = await upscaleTrack(track, { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 30 });
  let after = 0;
  await eachFrame(upscaled.track, async (frame) => {
    frame.close();
    if (upscaled.stats().levelReason.includes('takes')) after++;
    return after < 30;
  });
  const stats = upscaled.stats();
  upscaled.dispose();
  track.stop();
  return stats;
}

/** `frames()` pulled slowly, left early; `shareFrames()` with two subscribers. */
export async function pulling(): Promise<{ pulled: number; sizes: string[]; shared: number[]; open: string }> {
  const { track } = panTrack(80, 50, () => [48, 32, 2]);
  let pulled = 0;
  const sizes = new Set<string>();
  for await (const frame of frames(track, PATIENT)) {
    sizes.add(`${frame.displayWidth}x${frame.displayHeight}`);
    frame.close();
    await sleep(60);
    if (++pulled === 10) break;
  }
  const shared = fromTrack(track).pipe(shareFrames());
  const count = (): Promise<number> =>
    lastValueFrom(
      shared.pipe(
        tap((frame) => frame.close()),
        toArray(),
      ),
    ).then((all) => all.length);
  const both = await Promise.all([count(), count()]);
  return { pulled, sizes: [...sizes], shared: both, open: track.readyState };
}

/** `frames()` of a track that pauses, left by its signal; the error's name, and whether the track goes on. */
export async function aborted(): Promise<{ error: string; source: string }> {
  const { track } = panTrack(400, 50, () => [48, 32, 2]);
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 1500);
  let error = 'none';
  try {
    for await (const frame of frames(track, { ...PATIENT, signal: abort.signal })) frame.close();
  } catch (thrown) {
    error = (thrown as Error).name;
  }
  const source = track.readyState;
  track.stop();
  return { error, source };
}

/** Two tracks of different pictures at once, one of which is closed on the way; the other's worst PSNR by the network. */
export async function twoTracks(): Promise<{ psnr: number[]; backend: string | null }> {
  const dark = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = dark.writable.getWriter();
  const black = new Uint8Array(160 * 96 * 4).fill(0);
  let time = 0;
  const timer = setInterval(() => {
    const frame = new VideoFrame(black, {
      format: 'RGBX',
      codedWidth: 160,
      codedHeight: 96,
      timestamp: time++ * 40_000,
    });
    writer.write(frame).catch(() => frame.close());
  }, 70);
  const { track } = panTrack(400, 100, () => [160, 96, 2]);
  const [first, second] = await Promise.all([upscaleTrack(dark, PATIENT), upscaleTrack(track, PATIENT)]);
  await until('both networks', () => first.stats().backend === 'wasm' && second.stats().backend === 'wasm');
  const quality: number[] = [];
  await eachFrame(second.track, async (frame) => {
    const index = Math.round(frame.timestamp / 40_000);
    quality.push(psnr(await bytesOf(frame), (await view(index, 320, 192, 1)).data));
    if (quality.length === 12) {
      // Ends while frames are on their way, twice over.
      dark.stop();
      first.dispose();
    }
    return quality.length < 24;
  });
  const { backend } = second.stats();
  clearInterval(timer);
  second.dispose();
  track.stop();
  return { psnr: quality, backend };
}
