import type { SeenPicture } from '../pages/numbered-pictures.js';

/**
 * The tolerance of patches' mean Y, Cb and Cr, in levels of 255: what codecs make of flat colour in the first pictures of a
 * stream. The colours of neighbouring numbers differ by 40 and more.
 */
const TOLERANCE = 16;

/**
 * Pictures that are no published picture. One that is made of parts of two, or of the wrong references, has patches of
 * another number's colours.
 */
export function wrong(pictures: readonly SeenPicture[]): SeenPicture[] {
  return pictures.filter(({ number, error }) => number < 0 || error > TOLERANCE);
}

/** Pictures that are not later than the one before. */
export function setbacks(pictures: readonly SeenPicture[]): SeenPicture[] {
  return pictures.filter(({ number }, index) => number <= (pictures[index - 1]?.number ?? -1));
}

/** What is wrong with pictures: those that are no published picture, or come in the wrong order. */
export function faults(pictures: readonly SeenPicture[]): SeenPicture[] {
  return [...wrong(pictures), ...setbacks(pictures)];
}

/** Without repetitions: the picture at which one source takes over from another may come from both. */
export function distinct(pictures: readonly SeenPicture[]): SeenPicture[] {
  return pictures.filter(({ number }, index) => number !== pictures[index - 1]?.number);
}

/**
 * What is wrong with pictures of an upscaled stream. Where the processor takes over again from packets that were forwarded
 * it lags behind them, and the last pictures are shown once more.
 * @param setbacksAllowed how often that has happened; see {@link forwardings}
 */
export function upscaledFaults(pictures: readonly SeenPicture[], setbacksAllowed: number): SeenPicture[] {
  const seen = distinct(pictures);
  return [...wrong(seen), ...setbacks(seen).slice(setbacksAllowed)];
}

/** How often a server has forwarded packets in place of upscaled pictures, from the text of its metrics. */
export function forwardings(metrics: string): number {
  return Number(/mana_level_changes_total\{level="pass-through"\} (\d+)/.exec(metrics)?.[1] ?? 0);
}
