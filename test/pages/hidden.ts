import { type UpscaledTrack, upscaleTrack } from '/dist/index.js';
import { KnownPan, type Look } from './known-pan.js';
import type { PanFrame, PanOrder } from './pan.worker.js';
import { eachFrame, until } from './sources.js';
import { GAIN_DB } from './watched.js';

const SIZE = { width: 80, height: 48 } as const;
const INTERVAL_MS = 40;
/** A chain of timers of the window, which browsers slow down where nobody looks. */
const TICK_MS = 100;

/** An output frame, and how long ago its source frame was written. */
interface TimedLook extends Look {
  readonly delayMs: number;
}

/** What happened since {@link begin}. Times are the page's. */
interface Record {
  readonly source: MediaStreamTrack;
  readonly worker: Worker;
  readonly upscaled: UpscaledTrack;
  readonly looks: TimedLook[];
  /** When the window's timer ran. */
  readonly ticks: number[];
  readonly visibility: { readonly ms: number; readonly state: DocumentVisibilityState }[];
}

let record: Record | undefined;

/** Upscales a track that a worker feeds, until the network makes the picture. */
export async function begin(options: { budgetMs?: number; minFrameRate?: number } = {}): Promise<void> {
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const worker = new Worker(new URL('./pan.worker.ts', import.meta.url), { type: 'module' });
  const written = new Map<number, number>();
  worker.addEventListener('message', ({ data: { index, atMs } }: MessageEvent<PanFrame>) => {
    written.set(index, atMs - performance.timeOrigin);
  });
  const { writable } = generator;
  worker.postMessage({ writable, ...SIZE, intervalMs: INTERVAL_MS } satisfies PanOrder, [writable]);

  const upscaled = await upscaleTrack(generator, { backend: 'wasm', model: 'mana-nano-x2', ...options });
  const looks: TimedLook[] = [];
  const ticks: number[] = [];
  const visibility: Record['visibility'] = [{ ms: performance.now(), state: document.visibilityState }];
  record = { source: generator, worker, upscaled, looks, ticks, visibility };
  const pan = new KnownPan(SIZE.width, SIZE.height);
  void eachFrame(upscaled.track, async (frame) => {
    const look = await pan.look(frame);
    looks.push({ ...look, delayMs: look.ms - (written.get(look.index) ?? look.ms) });
    return true;
  });
  document.addEventListener('visibilitychange', () => {
    visibility.push({ ms: performance.now(), state: document.visibilityState });
  });
  const tick = (): void => {
    ticks.push(performance.now());
    setTimeout(tick, TICK_MS);
  };
  tick();
  await until('the network', () => looks.filter(({ gain }) => gain > GAIN_DB).length > 25);
}

/** What a page did while it was hidden, and when it was shown again. */
export interface Hidden {
  readonly states: string[];
  readonly hiddenMs: number;
  /** Of the window's timer. */
  readonly ticksPerSecond: number;
  /** Source frames that were due, and output frames that came, while hidden; of those, the network's. */
  readonly due: number;
  readonly came: number;
  readonly byNetwork: number;
  /** Longest time without a frame while hidden. */
  readonly longestGapMs: number;
  /** From source to reader, in the first and the last quarter of the hidden time: the middle and the 95th of a hundred. */
  readonly delayMs: { readonly first: [number, number]; readonly last: [number, number] };
  /** After the page was shown. */
  readonly shown: {
    readonly gains: number[];
    readonly delayMs: number;
    readonly rising: boolean;
    readonly level: string;
  };
}

/** Waits until so many more frames have come out, however slow timers are. */
export async function seen(count: number): Promise<void> {
  const looks = record?.looks ?? [];
  const end = looks.length + count;
  await until('frames', () => looks.length >= end);
}

/** What happened while the page was hidden. Call it when the page is shown again: it looks at `count` more frames. */
export async function end(count: number): Promise<Hidden> {
  if (!record) throw new Error('begin() comes first');
  const { source, worker, upscaled, looks, ticks, visibility } = record;
  await until('the page to be shown', () => document.visibilityState === 'visible');
  await seen(count + 10);
  const from = visibility.find(({ state }) => state === 'hidden')?.ms ?? Number.NaN;
  const to = visibility.find(({ ms, state }) => ms > from && state === 'visible')?.ms ?? Number.NaN;
  const hiddenMs = to - from;
  const within = <T extends { ms: number }>(all: readonly T[], start: number, stop: number): T[] =>
    all.filter(({ ms }) => ms >= start && ms < stop);
  const hidden = within(looks, from, to);
  const shown = within(looks, to, Number.POSITIVE_INFINITY);
  const delays = (part: readonly TimedLook[]): [number, number] => {
    const sorted = part.map(({ delayMs }) => delayMs).sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
    return [at(0.5), at(0.95)];
  };
  const result = {
    states: visibility.map(({ state }) => state),
    hiddenMs,
    ticksPerSecond: (ticks.filter((ms) => ms >= from && ms < to).length / hiddenMs) * 1000,
    due: Math.floor(hiddenMs / INTERVAL_MS),
    came: hidden.length,
    byNetwork: hidden.filter(({ gain }) => gain > GAIN_DB).length,
    longestGapMs: Math.max(...hidden.map(({ ms }, i) => ms - (hidden[i - 1]?.ms ?? from))),
    delayMs: {
      first: delays(within(hidden, from, from + hiddenMs / 4)),
      last: delays(within(hidden, to - hiddenMs / 4, to)),
    },
    shown: {
      gains: shown.map(({ gain }) => gain),
      delayMs: delays(shown)[0],
      rising: looks.every(({ index }, i) => i === 0 || index > (looks[i - 1]?.index ?? 0)),
      level: upscaled.stats().level,
    },
  };
  upscaled.dispose();
  source.stop();
  worker.terminate();
  return result;
}
