import { describe, expect, it } from 'vitest';
import type { Level } from '../../src/pipeline/levels.js';
import { play, type Run, steady, type Trace } from '../support/stream-model.js';

/** The order that every trace keeps: moves rest, and frames are in time from a second after a change of load on. */
function expectCalm({ moves, delivered }: Run, changesMs: readonly number[] = [], budgetMs = 200): void {
  const rests = moves.slice(1).map(({ atMs }, i) => atMs - (moves[i]?.atMs ?? 0));
  expect(Math.min(2000, ...rests.slice(1))).toBe(2000);
  const settled = delivered.filter(({ atMs }) => !changesMs.some((change) => atMs >= change && atMs < change + 1000));
  const delays = settled.map(({ delayMs }) => delayMs).sort((a, b) => a - b);
  expect(delays[Math.floor(0.95 * (delays.length - 1))]).toBeLessThanOrEqual(budgetMs);
  for (const { reason, numbers } of moves) {
    expect(reason).toMatch(/\.$/);
    expect(numbers.intervalMs).toBeGreaterThan(0);
  }
}

const levels = ({ moves }: Run): Level[] => moves.map(({ to }) => to);
const last = <T>(list: readonly T[]): T => list.at(-1) as T;

describe('the governor', () => {
  it('steady: goes to the full network and stays there', () => {
    const run = play({ arrivals: steady(30, 60), cost: () => 20 });
    expect(levels(run)).toEqual(['full']);
    expect(last(run.moves).numbers).toMatchObject({ lookahead: 3, budgetMs: 200 });
    expect(run.dropped).toBe(0);
    expectCalm(run);
  });

  it('a device on which the network is never in time: it is tried beside the stream, and never shown', () => {
    const run = play({ arrivals: steady(30, 60), cost: () => 400 });
    expect(levels(run)).toEqual([]);
    expect(run.governor.reason).toMatch(/takes 400 ms for a frame: 2.5 of 30 frames a second, where 15 are wanted/);
    expect(new Set(run.delivered.map(({ level }) => level))).toEqual(new Set(['fast']));
    expectCalm(run);
  });

  it('a slow device with a smaller network: takes that one', () => {
    const run = play({ arrivals: steady(30, 60), cost: (_, variant) => (variant === 'own' ? 120 : 25), smaller: 0.25 });
    expect(levels(run)).toEqual(['small']);
    expectCalm(run);
  });

  it('a device that becomes slow: the smaller network, then the large one again when it recovers', () => {
    const slow = (now: number): boolean => now > 10_000 && now < 40_000;
    const cost: Trace['cost'] = (now, variant) => (slow(now) ? 6 : 1) * (variant === 'own' ? 20 : 5);
    const run = play({ arrivals: steady(30, 120), cost, smaller: 0.25 });
    expect(levels(run)).toEqual(['full', 'small', 'full']);
    expect(run.moves[1]?.atMs).toBeLessThan(11_000);
    expectCalm(run, [10_000, 40_000]);
  });

  it('where it becomes slow and there is no smaller one, waits less, then goes to plain resampling, and comes back', () => {
    const cost: Trace['cost'] = (now) => (now < 10_000 ? 20 : now < 25_000 ? 45 : now < 60_000 ? 300 : 20);
    const run = play({ arrivals: steady(30, 150), cost });
    expect(levels(run).slice(0, 3)).toEqual(['full', 'short', 'fast']);
    expect(last(run.moves).to).toBe('full');
    expectCalm(run, [10_000, 25_000, 60_000]);
  });

  it('one long stall: is no reason to leave', () => {
    const run = play({ arrivals: steady(30, 30), cost: (now) => (now >= 10_000 && now < 10_033 ? 900 : 20) });
    expect(levels(run)).toEqual(['full']);
    // Meanwhile frames leave in time by plain resampling, counted as what they are.
    expect(run.delivered.filter(({ level }) => level === 'fast').length).toBeGreaterThan(15);
    expectCalm(run, [10_000]);
  });

  it('a device that slowly heats up: one step at a time, downwards only', () => {
    const run = play({
      arrivals: steady(30, 180),
      cost: (now, variant) => (20 + now / 1000) * (variant === 'own' ? 1 : 0.25),
      smaller: 0.25,
    });
    const order: Level[] = ['full', 'short', 'small', 'fast', 'pass-through'];
    const rungs = levels(run).map((level) => order.indexOf(level));
    expect(rungs).toEqual(rungs.toSorted((a, b) => a - b));
    expect(last(levels(run))).toBe('small');
    expectCalm(run);
  });

  it('oscillating load: does not follow it up and down', () => {
    const run = play({ arrivals: steady(30, 120), cost: (now) => (Math.floor(now / 3000) % 2 ? 120 : 20) });
    // Each way up that failed makes the next one wait twice as long.
    expect(run.moves.length).toBeLessThan(16);
    expectCalm(
      run,
      Array.from({ length: 40 }, (_, i) => i * 3000),
    );
  });

  it('60 frames a second: full where there is time, fewer frames than the source where that is enough', () => {
    expect(levels(play({ arrivals: steady(60, 30), cost: () => 10 }))).toEqual(['full']);
    const run = play({ arrivals: steady(60, 30), cost: () => 25 });
    expect(levels(run)).toEqual(['full']);
    expect(run.dropped).toBeGreaterThan(300);
    expectCalm(run);
  });

  it('a screen share of a variable rate: keeps the network, and frames leave in time when none follow', () => {
    const bursts = Array.from({ length: 20 }, (_, i) => steady(30, 1).map((ms) => i * 4000 + ms)).flat();
    const slow = Array.from({ length: 20 }, (_, i) => 80_000 + i * 700);
    const run = play({ arrivals: [...bursts, ...slow], cost: () => 20 });
    expect(levels(run).filter((level) => level === 'fast')).toEqual([]);
    expect(last(run.delivered).level).toMatch(/full|short/);
    expectCalm(run, [80_000]);
    expect(Math.max(...run.delivered.map(({ delayMs }) => delayMs))).toBeLessThanOrEqual(200);
  });

  it('slow sources: no frame is waited for that comes too late', () => {
    const run = play({ arrivals: steady(10, 60), cost: () => 20 });
    expect(last(run.moves)).toMatchObject({ to: 'short', numbers: { lookahead: 1 } });
    expectCalm(run);
  });

  it('a scaler that is too slow: the source’s own pixels pass', () => {
    const scaling = (now: number): number => (now < 20_000 ? 60 : 2);
    const run = play({ arrivals: steady(30, 60), cost: () => 400, scaling });
    expect(levels(run)[0]).toBe('pass-through');
    expect(last(levels(run))).toBe('fast');
    expectCalm(run, [0, 20_000]);
  });

  it('other streams that go first leave less time', () => {
    const trace: Trace = { arrivals: steady(30, 20), cost: () => 20 };
    const run = play(trace);
    run.governor.share = 0.2;
    for (let i = 0; i < 60; i++) {
      run.governor.arrived(25_000 + i * 33);
      run.governor.worked(20, 25_000 + i * 33);
    }
    expect(run.governor.level).toBe('fast');
    expect(run.governor.reason).toContain('with other streams before it');
  });

  it('asks for a lost network again soon, then ever later', () => {
    const { governor } = play({ arrivals: steady(30, 5), cost: () => 20 });
    let now = 10_000;
    const pauses: number[] = [];
    for (let i = 0; i < 4; i++) {
      governor.lost('It is gone.', now);
      expect(governor.level).toBe('fast');
      const lostMs = now;
      while (!governor.wanted(now)) now++;
      pauses.push(now - lostMs);
    }
    expect(pauses[0]).toBeLessThan(500);
    expect(pauses).toEqual(pauses.map((_, i) => (pauses[0] as number) * 2 ** i));
    governor.unavailable('own', 'It is no model.', false, now);
    expect(governor.wanted(now + 1e9)).toBeNull();
  });
});
