import { describe, expect, it } from 'vitest';
import { DelayLine } from '../../src/media/delay-line.js';

const RATE = 48_000;
const BLOCK = 128;
/** As near to its target as the delay is asked to come. */
const DEAD_BAND_MS = 5;

type Signal = (seconds: number) => number;

/** From which second on the delay shall be how many milliseconds. */
type Targets = readonly (readonly [fromS: number, ms: number])[];

interface Run {
  readonly out: Float32Array;
  /** Delay in milliseconds after each block. */
  readonly delays: number[];
}

/** Plays a signal through a line whose target is another one from each of the given seconds on. */
function play(signals: readonly Signal[], seconds: number, targets: Targets, rate = RATE): Run {
  const line = new DelayLine(rate, signals.length);
  const blocks = Math.floor((seconds * rate) / BLOCK);
  const out = new Float32Array(blocks * BLOCK);
  const second = new Float32Array(BLOCK);
  const delays: number[] = [];
  for (let block = 0; block < blocks; block++) {
    const now = (block * BLOCK) / rate;
    for (const [from, ms] of targets) if (from <= now) line.aim((ms / 1000) * rate);
    const input = signals.map((signal) =>
      Float32Array.from({ length: BLOCK }, (_, i) => signal((block * BLOCK + i) / rate)),
    );
    const first = out.subarray(block * BLOCK, (block + 1) * BLOCK);
    line.process(input, signals.length > 1 ? [first, second] : [first]);
    delays.push((line.delay / rate) * 1000);
  }
  return { out, delays };
}

const tone =
  (...frequencies: number[]): Signal =>
  (t) =>
    frequencies.reduce((sum, f) => sum + Math.sin(2 * Math.PI * f * t), 0) / frequencies.length;

/** A repeatable noise in -1 to 1. */
function noise(seed = 1): Signal {
  const samples = new Float32Array(RATE * 8);
  let state = seed;
  for (let i = 0; i < samples.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    samples[i] = state / 2 ** 31 - 1;
  }
  return (t) => 0.5 * (samples[Math.round(t * RATE)] ?? 0);
}

const cents = (ratio: number): number => Math.abs(1200 * Math.log2(ratio));

/** The largest deviation of a tone's pitch, in cents, from one upward zero crossing to the next. */
function wobble(out: Float32Array, frequency: number, from: number, rate = RATE): number {
  let last = Number.NaN;
  let worst = 0;
  for (let i = Math.round(from * rate); i < out.length; i++) {
    const [a, b] = [out[i - 1] as number, out[i] as number];
    if (a >= 0 || b < 0) continue;
    const at = i - b / (b - a);
    if (last > 0) worst = Math.max(worst, cents(rate / (at - last) / frequency));
    last = at;
  }
  return worst;
}

/**
 * The same for one tone of several: the phase of what a Hann window of 20 ms lets through. Tones 100 Hz apart, or a
 * multiple of that, fall into its zeros.
 */
function wobbleAmong(out: Float32Array, frequency: number, from: number): number {
  const length = RATE / 50;
  const hop = 48;
  let last: number | undefined;
  let worst = 0;
  for (let start = Math.round(from * RATE); start + length <= out.length; start += hop) {
    let [re, im] = [0, 0];
    for (let i = 0; i < length; i++) {
      const x = (out[start + i] as number) * (1 - Math.cos((2 * Math.PI * i) / length));
      const angle = (2 * Math.PI * frequency * (start + i)) / RATE;
      re += x * Math.cos(angle);
      im -= x * Math.sin(angle);
    }
    const phase = Math.atan2(im, re);
    if (last !== undefined) {
      const turn = Math.atan2(Math.sin(phase - last), Math.cos(phase - last));
      worst = Math.max(worst, cents(1 + (turn * RATE) / hop / (2 * Math.PI * frequency)));
    }
    last = phase;
  }
  return worst;
}

/** The longest stretch, in milliseconds, in which a signal stays below a quarter of full scale. */
function longestGap(out: Float32Array, from: number, rate = RATE): number {
  let run = 0;
  let longest = 0;
  for (let i = Math.round(from * rate); i < out.length; i++) {
    run = Math.abs(out[i] as number) < 0.25 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return (longest / rate) * 1000;
}

/** The largest second difference: a click stands out in it by far. */
function roughest(out: Float32Array, from: number, rate = RATE): number {
  let worst = 0;
  for (let i = Math.round(from * rate); i < out.length; i++) {
    worst = Math.max(worst, Math.abs((out[i] as number) - 2 * (out[i - 1] as number) + (out[i - 2] as number)));
  }
  return worst;
}

/** Up, down, and a little of each. */
const TARGETS: Targets = [
  [1, 150],
  [3, 40],
  [5, 200],
  [6.5, 0],
];
const delayAt = ({ delays }: Run, seconds: number, rate = RATE): number =>
  delays[Math.floor((seconds * rate) / BLOCK) - 1] as number;

describe('the delay line', () => {
  it.each([
    ...[100, 150.3, 233, 440, 1000, 1333.3, 2000].map((frequency) => [frequency, 48_000] as const),
    [440, 44_100] as const,
    [1000, 44_100] as const,
  ])('a tone of %d Hz at %d Hz goes up and down without a change of pitch, a gap or a click', (frequency, rate) => {
    const run = play([tone(frequency)], 8, TARGETS, rate);
    expect(wobble(run.out, frequency, 0.1, rate)).toBeLessThan(5);
    expect(longestGap(run.out, 0.1, rate)).toBeLessThan(1000 / frequency + 0.5);
    expect(longestGap(run.out, 0.1, rate)).toBeLessThan(5);
    // No rougher than the sine itself.
    expect(roughest(run.out, 0.1, rate)).toBeLessThan(1.01 * (2 * Math.PI * (frequency / rate)) ** 2);
    // In a second and a half, to the period that is nearest.
    for (const [from, ms] of TARGETS) {
      expect(Math.abs(delayAt(run, from + 1.4, rate) - ms)).toBeLessThanOrEqual(DEAD_BAND_MS);
    }
  });

  it.each([
    [300, 700],
    [400, 1500],
    [440, 1040],
  ])('so does a sound of %d and %d Hz', (...frequencies) => {
    const run = play([tone(...frequencies)], 8, TARGETS);
    for (const frequency of frequencies) expect(wobbleAmong(run.out, frequency, 0.1)).toBeLessThan(5);
    expect(longestGap(run.out, 0.1)).toBeLessThan(5);
    expect(roughest(run.out, 0.1)).toBeLessThan(1.01 * roughest(run.out.subarray(0, RATE), 0.1));
  });

  it('arrives within a second, 150 ms away, where the sound allows it', () => {
    const run = play([tone(200)], 4, [
      [1, 150],
      [2.5, 0],
    ]);
    expect(delayAt(run, 2)).toBeCloseTo(150, 0);
    expect(delayAt(run, 3.5)).toBeCloseTo(0, 0);
    // By bounded steps.
    const steps = run.delays.map((ms, i) => Math.abs(ms - (run.delays[i - 1] ?? 0)));
    expect(Math.max(...steps)).toBeLessThanOrEqual(30);
    expect(Math.max(...steps)).toBeGreaterThan(20);
  });

  it('noise keeps its loudness, and afterwards comes out sample for sample at the delay that is told', () => {
    const signal = noise();
    const run = play([signal], 8, [
      [1, 150],
      [4, 20],
    ]);
    for (const [from, to, ms] of [
      [3.4, 4, 150],
      [6.4, 8, 20],
    ] as const) {
      const delay = delayAt(run, to);
      expect(Math.abs(delay - ms)).toBeLessThanOrEqual(10);
      for (let i = Math.round(from * RATE); i < to * RATE; i++) {
        expect(run.out[i]).toBe(Math.fround(signal((i - (delay / 1000) * RATE) / RATE)));
      }
    }
    const power = (from: number): number => {
      const piece = run.out.subarray(from, from + RATE / 100);
      return piece.reduce((sum, x) => sum + x * x, 0) / piece.length;
    };
    const usual = power(RATE / 2);
    for (let from = 0; from < run.out.length - RATE / 100; from += RATE / 400) {
      expect(power(from)).toBeGreaterThan(usual * 0.7);
      expect(power(from)).toBeLessThan(usual * 1.4);
    }
  });

  it('jumps within silence, and every sound around it is heard once and whole', () => {
    const bursts: Signal = (t) => (t % 0.3 < 0.1 && t < 7.5 ? tone(523)(t) : 0);
    // Each time the line is between two bursts; at first the silence behind it is shorter than the way it has to go.
    const targets: Targets = [
      [1.05, 150],
      [3.3, 40],
      [5.1, 200],
      [6.65, 100],
    ];
    const run = play([bursts], 8, targets);
    for (const [from, ms] of targets) expect(Math.abs(delayAt(run, from + 0.5) - ms)).toBeLessThanOrEqual(DEAD_BAND_MS);
    const lengths: number[] = [];
    let quiet = RATE;
    let start = 0;
    run.out.forEach((sample, i) => {
      if (Math.abs(sample) < 1e-3) quiet++;
      else {
        if (quiet > RATE * 0.02) {
          lengths.push(0);
          start = i;
        }
        quiet = 0;
        lengths[lengths.length - 1] = (i - start) / RATE;
      }
    });

    expect(lengths).toHaveLength(25);
    expect(Math.min(...lengths)).toBeGreaterThan(0.099);
    expect(Math.max(...lengths)).toBeLessThan(0.101);
  });

  it('stays where it is while the target is near, though it could move', () => {
    const signal = tone(1000);
    const { out } = play([signal], 3, [[1, DEAD_BAND_MS - 0.1]]);
    out.forEach((sample, i) => {
      if (sample !== Math.fround(signal(i / RATE))) throw new Error(`sample ${i} was moved`);
    });
  });

  it('splices all channels at the same places, opposite ones too', () => {
    const line = new DelayLine(RATE, 3);
    line.aim(0.1 * RATE);
    const sound = tone(330);
    const output = Array.from({ length: 3 }, () => new Float32Array(BLOCK));
    for (let block = 0; block < 600; block++) {
      const left = Float32Array.from({ length: BLOCK }, (_, i) => sound((block * BLOCK + i) / RATE));
      line.process([left, left.map((x) => -x), left.map((x) => x / 2)], output);
      const [a, b, c] = output as [Float32Array, Float32Array, Float32Array];
      expect(b).toEqual(a.map((x) => -x));
      expect(c).toEqual(a.map((x) => x / 2));
    }
    expect(Math.abs(line.delay / RATE - 0.1)).toBeLessThan(0.005);
  });

  it('takes no input as silence, mono for all channels, and no more than its two seconds', () => {
    const line = new DelayLine(RATE, 2);
    const output = [new Float32Array(BLOCK), new Float32Array(BLOCK)] as const;
    line.process([new Float32Array(BLOCK).fill(0.5)], output);
    expect(output[1].every((x) => x === 0.5)).toBe(true);
    line.process([], output);
    expect(output.every((block) => block.every((x) => x === 0))).toBe(true);
    line.aim(99 * RATE);
    for (let block = 0; block < 2000; block++) line.process([], output);
    expect(line.delay).toBe(2 * RATE);
    line.aim(-1);
    for (let block = 0; block < 2000; block++) line.process([], output);
    expect(line.delay).toBe(0);
  });
});
