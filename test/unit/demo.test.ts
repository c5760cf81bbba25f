import type { LevelEvent } from 'mana-upscale';
import { describe, expect, it } from 'vitest';
import { DelayLog, WINDOW_MS } from '../../examples/demo/delay-log.js';
import { Trial } from '../../examples/demo/trial.js';

const level = (from: LevelEvent['from'], to: LevelEvent['to']): LevelEvent => ({
  type: 'level',
  from,
  to,
  reason: '',
  numbers: null,
});

describe('the log of delays', () => {
  it('tells the figures and levels of a time', () => {
    const log = new DelayLog();
    log.level('fast', 0);
    for (let i = 1; i <= 100; i++) log.frame(i, 100 * i);
    log.level('full', 5000);
    expect(log.between(0, 10_000)).toEqual({
      fromMs: 0,
      toMs: 10_000,
      delays: { p50: 51, p95: 96 },
      longestMs: 100,
      levels: ['fast', 'full'],
    });
    log.level('fast', 5500);
    log.level('full', 5600);
    expect(log.between(0, 10_000)?.levels).toEqual(['fast', 'full']);
    expect(log.between(6000, 7000)?.levels).toEqual(['full']);
    expect(log.between(20_000, 30_000)).toBeNull();
  });

  it('forgets what is old, but not what has made the picture since', () => {
    const log = new DelayLog();
    log.level('fast', 0);
    log.frame(5, 10);
    log.level('full', 20);
    log.level('full', 30);
    log.frame(150, WINDOW_MS + 100);
    log.trim(WINDOW_MS + 200);
    expect(log.points).toEqual([{ atMs: WINDOW_MS + 100, frameMs: 150 }]);
    expect(log.marks).toEqual([{ atMs: 20, level: 'full' }]);
  });
});

describe('the trial of a fault', () => {
  it('counts from the strike until the network is back', () => {
    const trial = new Trial('It hangs', true, 1000);
    expect(trial.course(1100)).toBe('It hangs: asked for.');
    trial.struck(1200);
    expect(trial.course(1300)).toContain('still makes the picture');
    trial.level(level('full', 'fast'), 2000);
    expect(trial.course(2100)).toContain('scaling makes the picture');
    trial.level(level('fast', 'full'), 2600);
    expect(trial.course(9000)).toBe('It hangs: the network is back after 1.4 s.');
  });

  it('counts from the asking where the network was away already', () => {
    const trial = new Trial('Mend it', false, 1000);
    trial.struck(1000);
    trial.level(level('fast', 'small'), 4000);
    expect(trial.course(5000)).toBe('Mend it: the network is back after 3.0 s.');
  });

  it('says when nothing strikes, and how long the output made one wait', () => {
    const trial = new Trial('Its GPU device is lost', true, 0);
    trial.frame(40);
    trial.frame(130);
    expect(trial.course(6000)).toContain('has not struck');
    expect(trial.output('live', 150)).toBe(
      'The output track is live: 2 frames in 0.1 s, never more than 90 ms from one to the next.',
    );
  });
});
