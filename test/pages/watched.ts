import { type UpscaledTrack, upscaleTrack } from '/dist/index.js';
import { fedTrack, KnownPan, type Look } from './known-pan.js';
import { eachFrame, until } from './sources.js';

/** The engine worker that fails on command. */
const FAULTY = { engineWorker: '/examples/faults/engine.worker.ts' } as const;
const INTERVAL_MS = 40;
/** A frame that the network made is nearer to the truth than the browser's scaling by more than this, in dB. */
export const GAIN_DB = 0.5;
/** Frames of one maker in a row that count as a state. */
const STEADY = 8;
/** Whether a level's picture is made by a network. */
export function byNetwork(level: string): boolean {
  return level !== 'fast' && level !== 'pass-through';
}

/** How a track is upscaled, and how long its network is waited for. */
export interface Setting {
  readonly backend: 'wasm' | 'webgpu-native';
  readonly width: number;
  readonly height: number;
  /** Default: {@link INTERVAL_MS}. */
  readonly intervalMs?: number;
  /** Default of this and of the next: the package's own. */
  readonly budgetMs?: number;
  readonly minFrameRate?: number;
  /** Frames of one maker in a row that count as a state. */
  readonly steady?: number;
  /** Seconds until the network must make the picture, at first and again. */
  readonly seconds: number;
}

/** A live track of the pan, every frame of its output looked at. */
export class Watched {
  readonly looks: Look[] = [];
  readonly levels: { readonly ms: number; readonly to: string }[] = [];
  readonly reasons: string[] = [];

  private constructor(
    readonly source: MediaStreamTrack,
    readonly upscaled: UpscaledTrack,
    pan: KnownPan,
    readonly fed: () => number,
    readonly steady: number,
  ) {
    upscaled.addEventListener('level', ({ detail }) => this.levels.push({ ms: performance.now(), to: detail.to }));
    upscaled.addEventListener('fallback', ({ detail }) => this.reasons.push(detail.reason));
    void eachFrame(upscaled.track, async (frame) => {
      this.looks.push(await pan.look(frame));
      return true;
    });
  }

  static async open({
    width,
    height,
    intervalMs = INTERVAL_MS,
    steady = STEADY,
    seconds: _,
    ...options
  }: Setting): Promise<Watched> {
    const pan = new KnownPan(width, height);
    const { track, count } = fedTrack((index) => pan.frame(index), intervalMs);
    const upscaled = await upscaleTrack(track, { model: 'mana-nano-x2', assets: FAULTY, ...options });
    return new Watched(track, upscaled, pan, count, steady);
  }

  /** Number of the last frame that was looked at. */
  get newest(): number {
    return this.looks.at(-1)?.index ?? -1;
  }

  /** As many of the last looks as count as a state. */
  get latest(): Look[] {
    return this.looks.slice(-this.steady);
  }

  /** Waits until the network has made a row of frames, all after frame `index`. */
  async network(index: number, seconds: number): Promise<void> {
    await until(
      'frames by the network',
      () => {
        const last = this.latest;
        const right = last.length === this.steady && last.every((look) => look.index > index && look.gain > GAIN_DB);
        return right && byNetwork(this.upscaled.stats().level);
      },
      seconds,
    );
  }

  close(): void {
    this.upscaled.dispose();
    this.source.stop();
  }
}
