import { lastValueFrom, take, tap } from 'rxjs';
import { frames, fromTrack, manaUpscale, upscaleTrack } from '/dist/index.js';
import type { Ledger } from './frame-ledger.js';
import { fedTrack, KnownPan } from './known-pan.js';
import { drain, sleep } from './sources.js';

const OPTIONS = {
  backend: 'wasm',
  model: 'mana-nano-x2',
  budgetMs: 4000,
  minFrameRate: 0,
  assets: { ioWorker: '/test/pages/ledger.worker.ts' },
} as const;

/** The ways in which a stream ends. */
export type Way = 'dispose' | 'stop' | 'abort' | 'source' | 'replace' | 'unsubscribe' | 'take' | 'throw' | 'break';

/**
 * Ends streams of one source in one way, each some frames after it began.
 * @returns what the `io` worker held at the end of each, and had held until then
 */
export async function ledgers(way: Way, times: number): Promise<Ledger[]> {
  const channel = new BroadcastChannel('frame-ledger');
  const pan = new KnownPan(80, 48);
  const all: Ledger[] = [];
  for (let i = 0; i < times; i++) {
    const report = new Promise<Ledger>((resolve) => {
      channel.onmessage = ({ data }) => resolve(data);
    });
    const source = fedTrack((index) => pan.frame(index), 15);
    // Before the network, while it is made ready, and while it runs.
    await end(way, source, 40 + (i % 4) * 400);
    all.push(await report);
    source.track.stop();
  }
  channel.close();
  return all;
}

async function end(way: Way, source: ReturnType<typeof fedTrack>, afterMs: number): Promise<void> {
  const { track } = source;
  const operator = manaUpscale(OPTIONS);
  const close = tap((frame: VideoFrame) => frame.close());
  if (way === 'unsubscribe') {
    const subscription = fromTrack(track).pipe(operator, close).subscribe();
    await sleep(afterMs);
    subscription.unsubscribe();
  } else if (way === 'take') {
    await lastValueFrom(fromTrack(track).pipe(operator, close, take(4)));
  } else if (way === 'throw') {
    const failing = tap((frame: VideoFrame) => {
      frame.close();
      throw new Error('mine');
    });
    await lastValueFrom(fromTrack(track).pipe(operator, failing)).catch(() => undefined);
  } else if (way === 'break') {
    for await (const frame of frames(track, OPTIONS)) {
      frame.close();
      break;
    }
  } else {
    const abort = new AbortController();
    const upscaled = await upscaleTrack(track, { ...OPTIONS, signal: abort.signal });
    const output = new MediaStreamTrackProcessor({ track: upscaled.track as MediaStreamVideoTrack }).readable;
    void drain(output.getReader());
    await sleep(afterMs);
    if (way === 'replace') {
      const pan = new KnownPan(64, 48);
      const other = fedTrack((index) => pan.frame(index + 2000), 15);
      upscaled.replaceSource(other.track);
      await sleep(afterMs);
      upscaled.dispose();
      other.track.stop();
    } else if (way === 'source') source.close();
    else if (way === 'stop') upscaled.track.stop();
    else if (way === 'abort') abort.abort();
    else upscaled.dispose();
  }
}
