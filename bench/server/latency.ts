import { setTimeout as sleep } from 'node:timers/promises';
import type { SeenPicture } from '../../test/pages/numbered-pictures.js';
import { faults } from '../../test/support/seen.js';
import { percentiles } from './percentiles.js';
import { withRig } from './rig.js';

/** From drawing a picture to seeing it, as sent and upscaled, in one run. */
export interface LatencyResult {
  readonly codec: string;
  readonly lookahead: number;
  readonly source: { readonly p50: number; readonly p95: number; readonly framesPerSecond: number };
  readonly upscaled: { readonly p50: number; readonly p95: number; readonly framesPerSecond: number };
  /** Of the same picture: seen upscaled after it was seen as sent. */
  readonly added: { readonly p50: number; readonly p95: number };
  /** The lookahead's share of that. */
  readonly lookaheadMs: number;
  /** Share of upscaled pictures in twice the size: not forwarded. */
  readonly large: number;
  /** Pictures that were wrong or in the wrong order. */
  readonly wrong: number;
}

export interface LatencyCase {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly codec: string;
  readonly lookahead: number;
  readonly seconds: number;
}

const SETTLE_MS = 8_000;

export function latency({ width, height, fps, codec, lookahead, seconds }: LatencyCase): Promise<LatencyResult> {
  return withRig(['--lookahead', `${lookahead}`, '--model', 'mana-nano-x2'], async (rig) => {
    await rig.publish('p', 'a', { codec, width, height, fps });
    await rig.watch('s', 'a', 'source');
    await rig.watch('u', 'a', 'upscaled');
    await sleep(SETTLE_MS);
    for (const id of ['s', 'u']) await rig.run('seen', id);
    await sleep(seconds * 1000);
    const source = await rig.run<SeenPicture[]>('seen', 's');
    const upscaled = await rig.run<SeenPicture[]>('seen', 'u');
    const drawn = await rig.run<number[]>('drawnAt', 'p');
    const delays = (pictures: readonly SeenPicture[]): number[] =>
      pictures.map(({ number, atMs }) => atMs - (drawn[number] ?? atMs));
    const asSent = new Map(source.map(({ number, atMs }) => [number, atMs]));
    const added = upscaled.flatMap(({ number, atMs }) => {
      const first = asSent.get(number);
      return first === undefined ? [] : [atMs - first];
    });
    const figures = (pictures: readonly SeenPicture[]) => ({
      ...percentiles(delays(pictures)),
      framesPerSecond: pictures.length / seconds,
    });
    return {
      codec,
      lookahead,
      source: figures(source),
      upscaled: figures(upscaled),
      added: percentiles(added),
      lookaheadMs: (lookahead * 1000) / fps,
      large: upscaled.filter((picture) => picture.width === 2 * width).length / Math.max(1, upscaled.length),
      wrong: faults(upscaled).length,
    };
  });
}
