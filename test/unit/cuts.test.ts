import { describe, expect, it } from 'vitest';
import { THUMBNAIL } from '../../src/engine/engine.js';
import { thumbnailOf } from '../../src/engine/planes.js';
import { packRgb } from '../../src/frame/colour.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { CutDetector } from '../../src/pipeline/cuts.js';
import { photoFrame } from '../support/pictures.js';

const [WIDTH, HEIGHT] = [160, 96];

function look(frame: PlanarFrame): Float32Array {
  const packed = new Float32Array(3 * WIDTH * HEIGHT);
  packRgb(frame, packed, WIDTH, HEIGHT);
  return thumbnailOf(packed, WIDTH, HEIGHT);
}

/** Places of the frames that begin a new scene. */
function cutsOf(thumbnails: readonly Float32Array[]): number[] {
  const detector = new CutDetector();
  return thumbnails.flatMap((thumbnail, i) => (detector.next(thumbnail) ? [i] : []));
}

/** A camera that moves over the photograph. */
const pan = (count: number, step: number, left = 0, top = 340): Float32Array[] =>
  Array.from({ length: count }, (_, i) => look(photoFrame(WIDTH, HEIGHT, left + i * step, top)));

/** The picture brighter or darker, clipped. */
const lit = (picture: Float32Array, gain: number, offset: number): Float32Array =>
  picture.map((value) => Math.min(1, Math.max(0, value * gain + offset)));

const flat = (value: number): Float32Array => new Float32Array(THUMBNAIL.width * THUMBNAIL.height).fill(value);

describe('a thumbnail', () => {
  it('shows means of green, also where samples are smaller than pixels', () => {
    const frame = new Float32Array(3 * 8 * 8).fill(9);
    for (let i = 0; i < 64; i++) frame[64 + i] = i % 8 < 4 ? 0.25 : 0.75;
    const thumbnail = thumbnailOf(frame, 8, 8);
    expect([...thumbnail.slice(0, 16)]).toEqual(Array(16).fill(0.25));
    expect([...thumbnail.slice(-16)]).toEqual(Array(16).fill(0.75));
  });
});

describe('scene cuts', () => {
  it('are found at their frame, once', () => {
    const other = pan(5, 2, 600, 120);
    expect(cutsOf([...pan(5, 2), ...other, ...pan(5, 2, 300, 450)])).toEqual([5, 10]);
  });

  it('are found behind black frames', () => {
    expect(cutsOf([...pan(5, 2), flat(0), flat(0), ...pan(5, 2, 600, 120)])).toEqual([7]);
    expect(cutsOf([flat(0.02), ...pan(5, 2)])).toEqual([]);
  });

  it('are not flashes, fades or lamps', () => {
    const scene = pan(12, 2);
    const flash = scene.map((picture, i) => (i === 5 ? lit(picture, 1.5, 0.3) : picture));
    expect(cutsOf(flash)).toEqual([]);
    expect(cutsOf(scene.map((picture, i) => (i === 5 ? flat(1) : picture)))).toEqual([]);
    expect(cutsOf(scene.map((picture, i) => lit(picture, 1 - i / 12, 0)))).toEqual([]);
    expect(cutsOf(scene.map((picture, i) => lit(picture, i < 6 ? 1 : 0.3, 0)))).toEqual([]);
  });

  it.each([5, 10, 16])('are not pans of %i pixels of 160 a frame', (step) => {
    expect(cutsOf(pan(12, step))).toEqual([]);
  });

  it('are not shaking hands', () => {
    const places = Array.from({ length: 20 }, (_, i) => [300 + 12 * Math.sin(i * 2.1), 200 + 9 * Math.cos(i * 3.3)]);
    expect(
      cutsOf(places.map(([x = 0, y = 0]) => look(photoFrame(WIDTH, HEIGHT, Math.round(x), Math.round(y))))),
    ).toEqual([]);
  });
});
