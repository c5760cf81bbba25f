import { fromTrack, manaUpscale, type UpscaleStats, upscaleTrack } from '/dist/index.js';
import { fedTrack, KnownPan, type Look } from './known-pan.js';
import { drain, eachFrame, sleep, until } from './sources.js';
import { byNetwork } from './watched.js';

const SIZE = [80, 48] as const;
const NANO = { backend: 'wasm', model: 'mana-nano-x2' } as const;

/** What a consumer reads who has read nothing for long. */
export interface Late {
  /** Source frames that were made until then. */
  readonly fed: number;
  /** Frames that are neither out nor dropped, by the stream's own account. */
  readonly inside: number;
  readonly looks: Look[];
  /** How many frames behind the source each was when it was read. */
  readonly behind: number[];
  readonly level: string;
}

/** A reader of the output is taken and not read while `count` source frames pass; then `read` frames are read. */
export async function neverRead(count: number, read: number): Promise<Late> {
  const pan = new KnownPan(...SIZE);
  const source = fedTrack((index) => pan.frame(index), 30);
  const upscaled = await upscaleTrack(source.track, NANO);
  const reader = new MediaStreamTrackProcessor({ track: upscaled.track as MediaStreamVideoTrack }).readable.getReader();
  await until('the source frames', () => source.count() >= count && upscaled.stats().framesReceived >= count * 0.9);
  const inside = insideOf(upscaled.stats());
  const looks: Look[] = [];
  const behind: number[] = [];
  while (looks.length < read) {
    const { value } = await reader.read();
    if (!value) break;
    const newest = source.count() - 1;
    const look = await pan.look(value);
    looks.push(look);
    behind.push(newest - look.index);
  }
  const { level } = upscaled.stats();
  const fed = source.count();
  upscaled.dispose();
  await drain(reader);
  source.track.stop();
  return { fed, inside, looks, behind, level };
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
