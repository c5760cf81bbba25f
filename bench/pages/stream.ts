import { type BrowserUpscaleOptions, type UpscaleStats, upscaleTrack } from '/dist/index.js';
import type { Size } from '../../src/frame/frame.js';
import { eachFrame, sleep } from '../../test/pages/sources.js';
import { cameraFrame, pan } from './pan.js';

/** A live stream through the package as its users run it, fed with a moving picture. */
export interface StreamRequest
  extends Pick<BrowserUpscaleOptions, 'model' | 'backend' | 'threads' | 'lookahead' | 'budgetMs' | 'minFrameRate'> {
  /** Source pictures. */
  readonly source: Size;
  readonly framesPerSecond: number;
}

/** What the stream has done so far. */
export interface StreamState {
  readonly atMs: number;
  readonly fed: number;
  /** When each frame was read from the output track, on the page's clock, in milliseconds. */
  readonly outAtMs: readonly number[];
  /** From a frame's writing into the source track to its reading from the output track: of each of them, in milliseconds. */
  readonly delaysMs: readonly number[];
  readonly stats: UpscaleStats;
}

const PICTURES = 24;

let stop: () => void = () => undefined;
let look: () => StreamState = () => {
  throw new Error('No stream is open.');
};

/** Opens the one stream of this page. It runs until {@link closeStream}. */
export async function openStream({ source, framesPerSecond, ...options }: StreamRequest): Promise<void> {
  const pictures = await pan(PICTURES, source);
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = generator.writable.getWriter();
  const upscaled = await upscaleTrack(generator, options);
  const fedAt = new Map<number, number>();
  const outAtMs: number[] = [];
  const delaysMs: number[] = [];
  let fed = 0;
  let open = true;

  const feed = async (): Promise<void> => {
    const start = performance.now();
    while (open) {
      await sleep(Math.max(0, start + (fed * 1000) / framesPerSecond - performance.now()));
      const frame = cameraFrame(
        pictures[fed % PICTURES] as Uint8Array,
        source,
        Math.round((fed * 1e6) / framesPerSecond),
      );
      fedAt.set(frame.timestamp, performance.now());
      fed++;
      await writer.write(frame).catch(() => frame.close());
    }
  };
  const watch = eachFrame(upscaled.track, async (frame) => {
    const at = fedAt.get(frame.timestamp);
    if (at === undefined) throw new Error(`A frame with an unknown timestamp came out: ${frame.timestamp}.`);
    outAtMs.push(performance.now());
    delaysMs.push(performance.now() - at);
    frame.close();
    return true;
  });
  const failed = (thrown: unknown): void => {
    look = () => {
      throw thrown;
    };
  };
  feed().catch(failed);
  watch.catch(failed);
  look = () => ({ atMs: performance.now(), fed, outAtMs, delaysMs, stats: upscaled.stats() });
  stop = () => {
    open = false;
    upscaled.dispose();
  };
}

/** The stream's state now. */
export function streamState(): StreamState {
  return look();
}

export function closeStream(): void {
  stop();
}
