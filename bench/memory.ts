import { setTimeout as sleep } from 'node:timers/promises';
import type { Size } from '../src/frame/frame.js';
import type { ShippedModel } from '../src/model/registry.js';
import { type Bench, withBench } from './browser.js';
import type { StreamRequest, StreamState } from './pages/stream.js';
import { type ProcessMemory, renderers } from './processes.js';
import { framesByNetwork } from './sustained.js';

export interface MemoryResult {
  readonly model: ShippedModel;
  readonly source: Size;
  readonly emptyPage: ProcessMemory;
  /** Largest `Pss` seen, and the `VmHWM` at the end. */
  readonly most: ProcessMemory;
  /** `Pss` when so many frames of the network were out. */
  readonly atFrames: readonly { readonly frames: number; readonly pss: number }[];
}

interface MemoryCase {
  readonly model: ShippedModel;
  readonly source: Size;
  readonly framesPerSecond: number;
  readonly threads: number;
  readonly frames: readonly number[];
}

const SAMPLE_MS = 250;
const MOST_MINUTES = 10;
/** A `Pss` at a frame is the least of this many samples from there on: garbage that waits for collection is not growth. */
const SETTLE_SAMPLES = 8;

const CASES: readonly MemoryCase[] = [
  { model: 'mana-live-x2', source: { width: 640, height: 360 }, framesPerSecond: 2, threads: 2, frames: [1, 4, 8] },
  {
    model: 'mana-nano-x2',
    source: { width: 160, height: 90 },
    framesPerSecond: 24,
    threads: 2,
    frames: [100, 250, 500, 1000],
  },
];

/** Memory of the page's process, each case in a browser of its own. */
export async function memory(quick: boolean, told: (text: string) => void): Promise<MemoryResult[]> {
  const results: MemoryResult[] = [];
  for (const one of CASES) {
    const frames = quick ? one.frames.slice(0, 1) : one.frames;
    told(`memory of ${one.model} at ${one.source.width}x${one.source.height}, ${frames.at(-1)} frames`);
    results.push(await withBench((bench) => measure(bench, { ...one, frames })));
  }
  return results;
}

async function measure(
  bench: Bench,
  { model, source, framesPerSecond, threads, frames }: MemoryCase,
): Promise<MemoryResult> {
  const page = await bench.open();
  await sleep(1000);
  const empty = await renderers(bench.browser);
  const request: StreamRequest = {
    source,
    framesPerSecond,
    model,
    backend: 'wasm',
    threads,
    budgetMs: 20_000,
    minFrameRate: 0,
  };
  await page.call('stream', 'openStream', request);
  // Our page's process is the one that grows.
  const sample = async (): Promise<[pid: number, ProcessMemory]> => {
    const all = [...(await renderers(bench.browser))].filter(([pid]) => empty.has(pid));
    return all.reduce((a, b) => (b[1].peak > a[1].peak ? b : a));
  };
  const atFrames: { frames: number; pss: number }[] = [];
  const end = Date.now() + MOST_MINUTES * 60_000;
  let most = 0;
  let settling: number[] = [];
  for (;;) {
    const [pid, now] = await sample();
    most = Math.max(most, now.pss);
    const wanted = frames[atFrames.length];
    if (wanted === undefined) {
      await page.call('stream', 'closeStream');
      return {
        model,
        source,
        emptyPage: empty.get(pid) as ProcessMemory,
        most: { peak: now.peak, pss: most },
        atFrames,
      };
    }
    const { stats } = await page.call<StreamState>('stream', 'streamState');
    if (framesByNetwork(stats) >= wanted) settling.push(now.pss);
    if (settling.length === SETTLE_SAMPLES) {
      atFrames.push({ frames: wanted, pss: Math.min(...settling) });
      settling = [];
    }
    if (Date.now() > end) throw new Error(`${wanted} frames did not come out within ${MOST_MINUTES} minutes.`);
    await sleep(SAMPLE_MS);
  }
}

export function memoryText({ model, source, emptyPage, most, atFrames }: MemoryResult): string {
  const above = (value: number, base: number): string => `${(value - base).toFixed(0)} MiB`;
  return [
    `Memory: ${model}, ${source.width}x${source.height}, through upscaleTrack; the page's process above its empty page`,
    `  peak (VmHWM)      ${above(most.peak, emptyPage.peak)} (${most.peak.toFixed(0)} over ${emptyPage.peak.toFixed(0)})`,
    `  largest Pss seen  ${above(most.pss, emptyPage.pss)} (${most.pss.toFixed(0)} over ${emptyPage.pss.toFixed(0)})`,
    ...atFrames.map(({ frames, pss }) => `  Pss at frame ${String(frames).padEnd(5)}${above(pss, emptyPage.pss)}`),
  ].join('\n');
}
