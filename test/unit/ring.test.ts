import { describe, expect, it } from 'vitest';
import { FrameRing, type Window } from '../../src/pipeline/ring.js';

/** Pushes frames 0..count-1 and flushes; each entry is a centre and the frames of its window. */
function run(count: number, lookahead: number): { centre: number; frames: number[]; after: number }[] {
  const ring = new FrameRing(7, lookahead);
  const seen: { centre: number; frames: number[]; after: number }[] = [];
  const note = (window: Window, after: number): void => {
    seen.push({ centre: window.centre.index, frames: window.frames.map(({ index }) => index), after });
  };
  for (let index = 0; index < count; index++) {
    ring.push({ timestampUs: index * 1000 }, index);
    for (let window = ring.due(); window; window = ring.due()) note(window, index);
  }
  for (let window = ring.overdue(); window; window = ring.overdue()) note(window, count);
  return seen;
}

describe('FrameRing', () => {
  it.each([0, 1, 2, 3])('hands out every frame once and in order, lookahead %i', (lookahead) => {
    for (const count of [1, 2, 5, 20]) {
      const seen = run(count, lookahead);
      expect(seen.map(({ centre }) => centre)).toEqual(Array.from({ length: count }, (_, i) => i));
      for (const { centre, after } of seen) expect(after).toBe(Math.min(centre + lookahead, count));
    }
  });

  it('fills the window with the three frames before and the three after', () => {
    expect(run(20, 3)[10]?.frames).toEqual([7, 8, 9, 10, 11, 12, 13]);
  });

  it('takes copies of the nearest known frame at the start, at the end and beyond the lookahead', () => {
    expect(run(20, 3)[0]?.frames).toEqual([0, 0, 0, 0, 1, 2, 3]);
    expect(run(20, 3)[19]?.frames).toEqual([16, 17, 18, 19, 19, 19, 19]);
    expect(run(20, 1)[10]?.frames).toEqual([7, 8, 9, 10, 11, 11, 11]);
    expect(run(20, 0)[10]?.frames).toEqual([7, 8, 9, 10, 10, 10, 10]);
  });

  it('keeps a window’s frames in different slots', () => {
    const ring = new FrameRing(7, 3);
    for (let index = 0; index < 30; index++) {
      ring.push({ timestampUs: index }, 0);
      const window = ring.due();
      if (index >= 6) expect(new Set(window?.frames.map(({ slot }) => slot)).size).toBe(7);
    }
  });
});
