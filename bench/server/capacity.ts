import { setTimeout as sleep } from 'node:timers/promises';
import { type ProcessorListener, processors } from 'mana-upscale/server';
import * as constants from 'node-av/constants';
import * as lib from 'node-av/lib';
import type { Size } from '../../src/frame/frame.js';
import type { ShippedModel } from '../../src/model/registry.js';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import { nodeAvBackend } from '../../src/server/codecs/node-av.js';
import { photoFrame } from '../../test/support/pictures.js';
import type { Limit } from './verdict.js';

/** How many streams a machine upscales by the network, all at their full frame rate. */
export interface CapacityResult {
  readonly model: ShippedModel;
  readonly size: Size;
  /** Of each number of streams that was tried: pictures a second and stream, by what made them. */
  readonly tried: readonly {
    readonly streams: number;
    /** Made by the network, with or without lookahead. */
    readonly network: number;
    /** All that came out, of {@link FRAME_RATE}; the rest was forwarded or left out. */
    readonly all: number;
    /** Cores that the process kept busy. */
    readonly cores: number;
    /** Median milliseconds that a picture was longer on its way than one that is forwarded. */
    readonly addedDelayMs: number;
  }[];
  /** The largest number of streams of which all pictures were made by the network. */
  readonly most: number;
}

/** Frames a second of each stream. */
export const FRAME_RATE = 25;
const SETTLE_MS = 10_000;
/** Of the frame rate, made by the network: less is not called kept. */
const KEPT = 0.95;
const MOST_STREAMS = 16;
const LOOP = 100;
const OVERLOAD = { streams: 8, size: { width: 640, height: 360 }, everyMs: 20, pictures: 500 } as const;

/** Adds streams until not all pictures are the network's, and so that two more are tried beyond that. */
export async function capacity(model: ShippedModel, size: Size, seconds: number): Promise<CapacityResult> {
  const pictures = await coded(size);
  const tried: CapacityResult['tried'][number][] = [];
  let most = 0;
  for (let streams = 1; streams <= MOST_STREAMS; streams++) {
    const one = await run(model, pictures, streams, seconds);
    tried.push(one);
    if (one.network >= KEPT * FRAME_RATE) most = streams;
    else break;
  }
  return { model, size, tried, most };
}

async function run(model: ShippedModel, pictures: readonly CodedPicture[], streams: number, seconds: number) {
  const counts = { network: 0, all: 0 };
  const levels: string[] = [];
  const delays: number[] = [];
  const pool = processors({ model, lookahead: 0, budgetMs: 200 });
  const open = Array.from({ length: streams }, (_, i) => {
    const listener: ProcessorListener = {
      picture: () => {
        counts.all++;
        if (levels[i] === 'full' || levels[i] === 'short') counts.network++;
      },
      forward: () => {},
      keyframeWanted: () => {},
      level: (level) => {
        levels[i] = level;
      },
      delay: (ms) => {
        delays[i] = ms;
      },
    };
    return pool.open({ codec: 'vp8' }, listener);
  });
  let sent = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    while (sent < ((performance.now() - began) * FRAME_RATE) / 1000) {
      const { data, ...rest } = pictures[sent % LOOP] as CodedPicture;
      const timestampUs = Math.round((sent * 1e6) / FRAME_RATE);
      for (const processor of open) processor.push({ ...rest, data: Uint8Array.from(data), timestampUs });
      sent++;
    }
  }, 4);
  await sleep(SETTLE_MS);
  Object.assign(counts, { network: 0, all: 0 });
  const cpu = process.cpuUsage();
  const start = performance.now();
  await sleep(seconds * 1000);
  const measured = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(timer);
  for (const processor of open) processor.close();
  await pool.ended();
  return {
    streams,
    network: counts.network / measured / streams,
    all: counts.all / measured / streams,
    cores: (user + system) / 1e6 / measured,
    addedDelayMs: delays.toSorted((a, b) => a - b)[streams >> 1] ?? 0,
  };
}

/** Gives one thread far more pixels than it can enlarge and encode: the sources' own pictures have to do. */
export async function overload(): Promise<Limit[]> {
  const pictures = await coded(OVERLOAD.size);
  const pool = processors({ workers: 1, lookahead: 0 });
  const forwarded = new Set<number>();
  const delays: number[] = [];
  const open = Array.from({ length: OVERLOAD.streams }, (_, i) =>
    pool.open(
      { codec: 'vp8' },
      {
        picture: () => {},
        forward: (on) => on && forwarded.add(i),
        keyframeWanted: () => {},
        level: () => {},
        delay: (ms) => {
          delays[i] = ms;
        },
      },
    ),
  );
  for (let i = 0; i < OVERLOAD.pictures; i++) {
    const { data, ...rest } = pictures[i % LOOP] as CodedPicture;
    const timestampUs = Math.round((i * 1e6) / FRAME_RATE);
    for (const processor of open) processor.push({ ...rest, data: Uint8Array.from(data), timestampUs });
    await sleep(OVERLOAD.everyMs);
  }
  for (const processor of open) processor.close();
  await pool.ended();
  return [
    { what: 'streams that were forwarded', value: forwarded.size, atLeast: 1 },
    {
      what: 'longest delay at the end',
      value: Math.max(0, ...delays.filter(Number.isFinite)),
      unit: 'ms',
      atMost: 1000,
    },
  ];
}

/** Pictures of a camera that pans to and fro, the first of each round a keyframe. */
async function coded(size: Size): Promise<CodedPicture[]> {
  const codecs = nodeAvBackend({ lib, constants });
  const encoder = await codecs.createEncoder({ codec: 'vp8', size, bitrate: 1_500_000, frameRate: FRAME_RATE });
  const pictures: CodedPicture[] = [];
  for (let i = 0; i < LOOP; i++) {
    const to = Math.min(i, LOOP - i);
    const frame = photoFrame(size.width, size.height, to, 100, Math.round((i * 1e6) / FRAME_RATE));
    const picture = await encoder.encode(frame, i === 0);
    if (picture) pictures.push(picture);
  }
  encoder.dispose();
  return pictures;
}
