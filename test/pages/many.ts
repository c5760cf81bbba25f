import { type UpscaledTrack, upscaleTrack } from '/dist/index.js';
import { workersStarted } from '../../examples/faults/inject.js';
import { fedTrack, KnownPan } from './known-pan.js';
import { eachFrame, until } from './sources.js';
import { byNetwork } from './watched.js';

const FAULTY = { engineWorker: '/examples/faults/engine.worker.ts' } as const;
const INTERVAL_MS = 60;

/** One of several tracks: its output, frame by frame, beside the truth. */
class One {
  readonly gains: number[] = [];
  #last = -1;
  rising = true;

  private constructor(
    readonly name: string,
    readonly source: MediaStreamTrack,
    readonly upscaled: UpscaledTrack,
    pan: KnownPan,
  ) {
    void eachFrame(upscaled.track, async (frame) => {
      const { index, gain } = await pan.look(frame);
      this.rising &&= index > this.#last;
      this.#last = index;
      this.gains.push(gain);
      return true;
    });
  }

  static async open(width: number, height: number): Promise<One> {
    const pan = new KnownPan(width, height);
    const { track } = fedTrack((index) => pan.frame(index), INTERVAL_MS);
    const upscaled = await upscaleTrack(track, {
      backend: 'wasm',
      model: 'mana-nano-x2',
      assets: FAULTY,
      budgetMs: 20_000,
      minFrameRate: 0,
    });
    return new One(`${width}x${height}`, track, upscaled, pan);
  }

  get network(): boolean {
    return byNetwork(this.upscaled.stats().level);
  }

  close(): void {
    this.upscaled.dispose();
    this.source.stop();
  }
}

const SIZES = [
  [96, 64],
  [80, 48],
  [64, 48],
  [48, 32],
] as const;

/** What four tracks came to. */
export interface Four {
  readonly gains: Record<string, number[]>;
  readonly rising: boolean;
  readonly workers: number;
  readonly restarts: number;
  /** Frames that each of those that stayed got after the others were closed. */
  readonly after: number[];
}

/** Four tracks at once, of which two are closed, one after the other, while frames are on their way. */
export async function four(): Promise<Four> {
  const all = await Promise.all(SIZES.map(([width, height]) => One.open(width, height)));
  await until('four networks', () => all.every(({ network }) => network));
  const counts = (): number[] => all.map(({ gains }) => gains.length);
  const begun = counts();
  await until('ten frames of each', () => counts().every((count, i) => count >= (begun[i] as number) + 10));
  const [first, second, third, fourth] = all as [One, One, One, One];
  second.close();
  await until('more frames', () => first.gains.length > 30);
  fourth.close();
  const before = [first.gains.length, third.gains.length];
  await until(
    'frames of those that stay',
    () => first.gains.length >= (before[0] as number) + 20 && third.gains.length >= (before[1] as number) + 20,
  );
  const result = {
    gains: Object.fromEntries(all.map(({ name, gains }) => [name, gains.slice(-8)])),
    rising: all.every(({ rising }) => rising),
    workers: workersStarted(),
    restarts: first.upscaled.stats().engineRestarts,
    after: [first.gains.length - (before[0] as number), third.gains.length - (before[1] as number)],
  };
  first.close();
  third.close();
  return result;
}
