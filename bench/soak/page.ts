import { type UpscaledTrack, type UpscaleStats, upscaleTrack } from '/dist/index.js';
import type { Fault } from '../../examples/faults/faults.js';
import { injectFault, workersStarted } from '../../examples/faults/inject.js';
import type { Size } from '../../src/frame/frame.js';
import { eachFrame, sleep } from '../../test/pages/sources.js';
import { cameraFrame, pan } from '../pages/pan.js';

/** An output frame: when it was read, and how long after its source frame was written, in milliseconds. */
export type Delivered = readonly [atMs: number, delayMs: number];

/** What one track has done since it was asked last, and how it stands. */
export interface TrackState {
  readonly state: MediaStreamTrackState;
  readonly delivered: readonly Delivered[];
  /** Frames whose timestamp did not rise, or whose size was not the output's. */
  readonly wrong: number;
  /** Source frames that are neither out nor dropped, by the package's own account. */
  readonly inside: number;
  readonly stats: UpscaleStats;
}

/** How the page stands. */
export interface SoakState {
  readonly atMs: number;
  readonly tracks: readonly TrackState[];
  /** The page's JavaScript heap after a collection, in bytes. */
  readonly heap: number;
  /** Source frames that this page made and has not closed or given away. */
  readonly made: number;
  readonly engines: number;
}

const FRAMES_PER_SECOND = 24;
const PICTURES = 24;
const OUTPUT: Size = { width: 320, height: 192 };

class SoakTrack {
  readonly generator = new MediaStreamTrackGenerator({ kind: 'video' });
  readonly #fedAt = new Map<number, number>();
  #pictures: Uint8Array[] = [];
  #size: Size = { width: 0, height: 0 };
  #delivered: Delivered[] = [];
  #wrong = 0;
  #last = -1;
  #upscaled: UpscaledTrack | undefined;

  async open(size: Size, engineWorker: string): Promise<void> {
    await this.resize(size);
    void this.#feed();
    const upscaled = await upscaleTrack(this.generator, {
      backend: 'wasm',
      model: 'mana-nano-x2',
      size: OUTPUT,
      assets: { engineWorker },
    });
    this.#upscaled = upscaled;
    void eachFrame(upscaled.track, async (frame) => {
      const { timestamp, displayWidth, displayHeight } = frame;
      frame.close();
      const now = performance.now();
      if (timestamp <= this.#last || displayWidth !== OUTPUT.width || displayHeight !== OUTPUT.height) this.#wrong++;
      this.#last = timestamp;
      const fedMs = this.#fedAt.get(timestamp);
      if (fedMs !== undefined) this.#delivered.push([now, now - fedMs]);
      for (const early of this.#fedAt.keys()) {
        if (early > timestamp) break;
        this.#fedAt.delete(early);
      }
      return true;
    });
  }

  async resize(size: Size): Promise<void> {
    this.#pictures = await pan(PICTURES, size);
    this.#size = size;
  }

  state(): TrackState {
    const { stats, track } = { stats: this.#upscaled?.stats(), track: this.#upscaled?.track };
    if (!stats || !track) throw new Error('The track is not open.');
    const delivered = this.#delivered;
    this.#delivered = [];
    const dropped = Object.values(stats.framesDropped).reduce((sum, count) => sum + count, 0);
    const inside = stats.framesReceived - stats.framesDelivered - dropped;
    return { state: track.readyState, delivered, wrong: this.#wrong, inside, stats };
  }

  close(): void {
    this.#upscaled?.dispose();
    this.generator.stop();
  }

  async #feed(): Promise<void> {
    const writer = this.generator.writable.getWriter();
    const start = performance.now();
    for (let fed = 0; this.generator.readyState === 'live'; fed++) {
      await sleep(Math.max(0, start + (fed * 1000) / FRAMES_PER_SECOND - performance.now()));
      const timestamp = Math.round((fed * 1e6) / FRAMES_PER_SECOND);
      const frame = cameraFrame(this.#pictures[fed % PICTURES] as Uint8Array, this.#size, timestamp);
      this.#fedAt.set(timestamp, performance.now());
      made++;
      await writer.write(frame).catch(() => frame.close());
      made--;
    }
  }
}

let made = 0;
const tracks: SoakTrack[] = [];

/** Opens the two tracks. */
export async function open(sizes: readonly Size[]): Promise<void> {
  for (const size of sizes) {
    const track = new SoakTrack();
    tracks.push(track);
    await track.open(size, '/examples/faults/engine.worker.ts');
  }
}

/** The source of one track has another size from now on. */
export async function resize(track: number, size: Size): Promise<void> {
  await tracks[track]?.resize(size);
}

export function inject(fault: Fault): void {
  injectFault(fault);
}

export function state(): SoakState {
  (globalThis as unknown as { gc(): void }).gc();
  const { memory } = performance as unknown as { memory: { usedJSHeapSize: number } };
  return {
    atMs: performance.now(),
    tracks: tracks.map((track) => track.state()),
    heap: memory.usedJSHeapSize,
    made,
    engines: workersStarted(),
  };
}

/** The page's clock. */
export function now(): { atMs: number } {
  return { atMs: performance.now() };
}

export function close(): void {
  for (const track of tracks) track.close();
}
