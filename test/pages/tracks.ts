import { lastValueFrom, Subject, skip, tap, toArray } from 'rxjs';
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

const LOOKAHEAD = 3;
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

/**
 * The source changes size twice, each time once the network has made frames of the size before; every output frame's size and
 * PSNR against the view at twice the first size, and the sizes that the network made frames of.
 */
export async function resolutionSwitch(): Promise<{
  sizes: string[];
  psnr: number[];
  timestamps: number[];
  networkSizes: string[];
}> {
  let size: [number, number, number] = [160, 96, 2];
  const { track } = panTrack(Number.POSITIVE_INFINITY, 60, () => size);
  const upscaled = await upscaleTrack(track, PATIENT);
  const sizes = new Set<string>();
  const quality: number[] = [];
  const timestamps: number[] = [];
  void eachFrame(upscaled.track, async (frame) => {
    sizes.add(`${frame.displayWidth}x${frame.displayHeight}`);
    timestamps.push(frame.timestamp);
    const index = Math.round(frame.timestamp / 40_000);
    quality.push(psnr(await bytesOf(frame), (await view(index, 320, 192, 1)).data));
    return true;
  });
  const networkSizes: string[] = [];
  for (const next of [
    [160, 96, 2],
    [80, 48, 4],
    [160, 96, 2],
  ] as const) {
    size = [...next];
    await until('the size', () => upscaled.stats().inputSize?.width === next[0]);
    const before = upscaled.stats().framesByLevel.full;
    await until('frames by the network', () => upscaled.stats().framesByLevel.full >= before + 15);
    networkSizes.push(`${upscaled.stats().inputSize?.width}`);
  }
  upscaled.dispose();
  track.stop();
  return { sizes: [...sizes], psnr: quality, timestamps, networkSizes };
}

/** What became of frames that were pushed one at a time, each when the one before had its answer. */
export interface OneAtATime {
  readonly out: number;
  readonly inOrder: boolean;
  readonly heapGrowth: number;
  readonly before: UpscaleStats;
  readonly after: UpscaleStats;
}

/** Pushes `count` frames one at a time, once the network has all its lookahead. */
export async function manyFrames(count: number): Promise<OneAtATime> {
  const source = new Subject<VideoFrame>();
  let stats: UpscaleStats | undefined;
  let pushed = 0;
  let out = 0;
  let last = -1;
  let inOrder = true;
  const finished = lastValueFrom(
    source.pipe(
      manaUpscale({
        ...PATIENT,
        onStats: (latest) => {
          stats = latest;
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
  const push = async (): Promise<void> => {
    source.next(await viewFrame(pushed, 48, 32, pushed * 40_000));
    pushed++;
  };
  const steady = (): boolean => stats?.lookahead === LOOKAHEAD && stats.queueLength === LOOKAHEAD;
  while (!steady()) {
    await push();
    await sleep(40);
  }
  // A frame that is pushed from now on waits for those after it, and brings out another.
  await until('figures that know of all frames', () => {
    const dropped = Object.values(stats?.framesDropped ?? {}).reduce((sum, frames) => sum + frames, 0);
    return steady() && stats?.framesDelivered === out && pushed - dropped - out === LOOKAHEAD;
  });
  const before = stats as unknown as UpscaleStats;
  const begun = out;
  const heap = (): number => {
    (globalThis as unknown as { gc(): void }).gc();
    return (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize;
  };
  let settled = 0;
  for (let i = 1; i <= count; i++) {
    await push();
    await until(`the answer to frame ${i}`, () => out >= begun + i);
    if (i === 50) settled = heap();
  }
  source.complete();
  await finished;
  return { out: out - begun, inOrder, heapGrowth: heap() - settled, before, after: stats as UpscaleStats };
}

/** Figures that come while nothing happens, the seconds they took, and whether they know of the frames. */
export async function figures(count: number): Promise<{ seconds: number; rising: boolean }> {
  const { track } = panTrack(Number.POSITIVE_INFINITY, 40, () => [48, 32, 2]);
  const upscaled = await upscaleTrack(track, PATIENT);
  await until('the whole lookahead', () => upscaled.stats().lookahead === LOOKAHEAD);
  const delivered: number[] = [];
  // The first is the latest, which whoever subscribes gets at once.
  const subscription = upscaled.stats$
    .pipe(skip(1))
    .subscribe(({ framesDelivered }) => delivered.push(framesDelivered));
  const start = performance.now();
  await until('figures', () => delivered.length >= count);
  const seconds = (performance.now() - start) / 1000;
  subscription.unsubscribe();
  upscaled.dispose();
  track.stop();
  const rising = delivered.every((frames, i) => i === 0 || frames > (delivered[i - 1] as number));
  return { seconds, rising };
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

/** A network that cannot keep the budget, and has no smaller one: why it is not used, and the figures 30 frames later. */
export async function tooSlow(): Promise<{ reason: string; stats: UpscaleStats }> {
  const { track } = panTrack(Number.POSITIVE_INFINITY, 40, () => [320, 192, 1]);
  const upscaled = await upscaleTrack(track, { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 30 });
  void eachFrame(upscaled.track, async (frame) => {
    frame.close();
    return true;
  });
  let reason = '';
  await until('the reason', () => {
    reason = upscaled.stats().levelReason;
    return reason.startsWith('The network takes');
  });
  const { framesDelivered } = upscaled.stats();
  await until('more frames', () => upscaled.stats().framesDelivered >= framesDelivered + 30);
  const stats = upscaled.stats();
  upscaled.dispose();
  track.stop();
  return { reason, stats };
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
