import { fromTrack, manaUpscale, type UpscaleStats, upscaleTrack } from '/dist/index.js';
import { fedTrack, KnownPan, type Look } from './known-pan.js';
import { drain, eachFrame, sleep, until } from './sources.js';
import { byNetwork } from './watched.js';

const SIZE = [80, 48] as const;
/** A budget that a slow machine keeps. */
const NANO = { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 4000, minFrameRate: 0 } as const;

/** What a consumer reads who has read nothing for long. */
export interface Late {
  /** Source frames that were made until then. */
  readonly fed: number;
  /** Frames that were neither out nor dropped then, by the stream's own account. */
  readonly inside: number;
  /** Numbers of the frames that waited for the reader. */
  readonly waiting: number[];
  /** Frames of the source that goes on. */
  readonly looks: Look[];
}

/**
 * A reader of the output is taken and not read while `count` source frames pass. The source then pauses until the reader has
 * what waited for it, and goes on; `read` more frames are read.
 */
export async function neverRead(count: number, read: number): Promise<Late> {
  const pan = new KnownPan(...SIZE);
  let paused: Promise<void> = Promise.resolve();
  const source = fedTrack(async (index) => {
    await paused;
    return pan.frame(index);
  }, 20);
  const upscaled = await upscaleTrack(source.track, NANO);
  const reader = new MediaStreamTrackProcessor({ track: upscaled.track as MediaStreamVideoTrack }).readable.getReader();
  await until('the network', () => byNetwork(upscaled.stats().level));
  await until('the source frames', () => source.count() >= count);
  let goOn: () => void = () => undefined;
  paused = new Promise((resolve) => {
    goOn = resolve;
  });
  const inside = insideOf(upscaled.stats());
  await until('an empty pipeline', () => insideOf(upscaled.stats()) === 0);
  const fed = source.count();
  const waiting: number[] = [];
  const looks: Look[] = [];
  while (looks.length < read) {
    // What waits is there at once; nothing else comes while the source pauses.
    const reading = reader.read();
    const there = await Promise.race([reading, sleep(looks.length === 0 ? 1000 : 240_000)]);
    if (!there) goOn();
    const { value } = await reading;
    if (!value) break;
    const look = await pan.look(value);
    if (look.index < fed) waiting.push(look.index);
    else looks.push(look);
  }
  upscaled.dispose();
  source.track.stop();
  await drain(reader);
  return { fed, inside, waiting, looks };
}

/** A subscriber of the operator closes no frame of the first `count`; the gain of each of the last `look` of them. */
export async function neverClose(count: number, look: number): Promise<{ gains: number[]; rising: boolean }> {
  const pan = new KnownPan(...SIZE);
  const source = fedTrack((index) => pan.frame(index), 30);
  const held: VideoFrame[] = [];
  let level = 'fast';
  const onStats = (stats: UpscaleStats): void => {
    level = stats.level;
  };
  const subscription = fromTrack(source.track)
    .pipe(manaUpscale({ ...NANO, onStats }))
    .subscribe((frame) => held.push(frame));
  await until('frames that nobody closes', () => held.length >= count && byNetwork(level));
  subscription.unsubscribe();
  source.track.stop();
  const rising = held.every(({ timestamp }, i) => i === 0 || timestamp > (held[i - 1] as VideoFrame).timestamp);
  const looks = await Promise.all(held.slice(-look).map((frame) => pan.look(frame)));
  for (const frame of held) frame.close();
  return { gains: looks.map(({ gain }) => gain), rising };
}

/** Two sources, one after the other, each upscaled until it ends: what came out of the second. */
export async function restarted(): Promise<{ states: string[]; gains: number[]; first: number }> {
  const pan = new KnownPan(...SIZE);
  const states: string[] = [];
  const gains: number[] = [];
  let first = -1;
  for (const round of [0, 1]) {
    const source = fedTrack((index) => pan.frame(index), 40);
    const upscaled = await upscaleTrack(source.track, NANO);
    const ended = new Promise((resolve) => upscaled.addEventListener('ended', resolve));
    let closing = false;
    const reading = eachFrame(upscaled.track, async (frame) => {
      const { index, gain } = await pan.look(frame);
      if (round === 1) {
        if (first < 0) first = index;
        gains.push(gain);
      }
      if (!closing && byNetwork(upscaled.stats().level) && gain > 0.5 && index > 50) {
        closing = true;
        source.close();
      }
      return true;
    });
    await ended;
    await reading;
    states.push(upscaled.track.readyState);
  }
  return { states, gains, first };
}

/** What the output did while its source was replaced. */
export interface Replacement {
  /** Of the output, after the first source had ended or was stopped, and after the second had run. */
  readonly states: string[];
  readonly rising: boolean;
  /** Gains of the frames of the second source, in order. */
  readonly gains: number[];
  readonly afterDispose: string;
}

/**
 * A live output gets another source, once the network makes its picture.
 * @param ends whether the first source ends before; else it is stopped after
 */
export async function replaced(ends: boolean): Promise<Replacement> {
  const pan = new KnownPan(...SIZE);
  // Far from the first source's times, and later, as with two cameras of one clock.
  const FAR = 2000;
  const first = fedTrack((index) => pan.frame(index), 40);
  const upscaled = await upscaleTrack(first.track, { ...NANO, ...(ends ? { endWithSource: false } : {}) });
  const looks: Look[] = [];
  void eachFrame(upscaled.track, async (frame) => {
    looks.push(await pan.look(frame));
    return true;
  });
  const steady = (from: number): boolean => {
    const last = looks.slice(-8);
    return last.length === 8 && last.every(({ index, gain }) => index >= from && gain > 0.5);
  };
  await until('the network', () => steady(0));
  const states: string[] = [];
  if (ends) {
    first.close();
    await until('the end of the source', () => first.track.readyState === 'ended');
    await sleep(1500);
    states.push(upscaled.track.readyState);
  }
  const second = fedTrack((index) => pan.frame(index + FAR), 40);
  upscaled.replaceSource(second.track);
  if (!ends) {
    await until('a frame of the second source', () => (looks.at(-1)?.index ?? 0) >= FAR);
    first.track.stop();
    await sleep(1000);
    states.push(upscaled.track.readyState);
  }
  await until('the network again', () => steady(FAR + 20));
  states.push(upscaled.track.readyState);
  upscaled.dispose();
  const result = {
    states,
    rising: looks.every(({ index }, i) => i === 0 || index > (looks[i - 1] as Look).index),
    gains: looks.filter(({ index }) => index >= FAR).map(({ gain }) => gain),
    afterDispose: upscaled.track.readyState,
  };
  second.track.stop();
  return result;
}

/** Frames that came in and are neither out nor dropped. */
function insideOf(stats: UpscaleStats): number {
  const { framesReceived, framesDropped } = stats;
  // Under either of the names that this figure has had.
  const out = stats as unknown as { framesDelivered?: number; framesEmitted?: number };
  const dropped = Object.values(framesDropped).reduce((sum, count) => sum + count, 0);
  return framesReceived - dropped - (out.framesDelivered ?? out.framesEmitted ?? 0);
}
