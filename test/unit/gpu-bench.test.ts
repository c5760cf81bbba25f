import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../bench/gpu/contest.js';
import { headline, type Report, reportText, rowsOf } from '../../bench/gpu/report.js';
import { inTurns, median, repeats } from '../../bench/gpu/rounds.js';
import { settingsOf, sizeOf } from '../../bench/gpu/settings.js';

describe('rounds', () => {
  it('takes the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
    expect(median([])).toBeNaN();
  });

  it('measures in turns, and takes the ratio within rounds: what slows one whole round leaves it as it is', async () => {
    const order: string[] = [];
    const [ours, theirs] = [
      [10, 1, 1],
      [40, 3, 2],
    ];
    const measure = (name: string, times: number[]) => async () => {
      order.push(name);
      return times.shift() ?? Number.NaN;
    };
    const turns = await inTurns(measure('A', ours as number[]), measure('B', theirs as number[]), 3);
    expect(order.join('')).toBe('ABABAB');
    expect(turns).toEqual({ ours: 1, theirs: 3, ratio: 3 });
  });

  it('leaves out rounds in which a clock said nothing; of none there is no figure', async () => {
    const times = [0, 2];
    expect(
      await inTurns(
        async () => times.shift() ?? 0,
        async () => 8,
        2,
      ),
    ).toEqual({ ours: 2, theirs: 8, ratio: 4 });
    expect(
      await inTurns(
        async () => 0,
        async () => 8,
        2,
      ),
    ).toBeUndefined();
  });

  it('repeats what is short, once at least and not without end', () => {
    expect(repeats(1, 100, 60)).toBe(60);
    expect(repeats(10, 100, 60)).toBe(10);
    expect(repeats(1000, 100, 60)).toBe(1);
    expect(repeats(0, 100, 60)).toBe(60);
  });
});

describe('the address of the page', () => {
  it('says what is run', () => {
    const query = new URLSearchParams(
      'models=mana-nano-x2&sizes=64x48,32x24&tries=2&rounds=3&roundMs=200&levels=compatibility',
    );
    expect(settingsOf(query)).toEqual({
      models: ['mana-nano-x2'],
      sizes: [
        { width: 64, height: 48 },
        { width: 32, height: 24 },
      ],
      tries: 2,
      rounds: 3,
      roundMs: 200,
      levels: ['compatibility'],
    });
    expect(settingsOf(new URLSearchParams())).toEqual({});
  });

  it.each([
    'models=other',
    'sizes=64',
    'sizes=0x9',
    'sizes=9999x9',
    'rounds=0',
    'rounds=1e9',
    'roundMs=x',
    'levels=best',
  ])('%s is refused with a sentence', (query) => {
    expect(() => settingsOf(new URLSearchParams(query))).toThrow(/\w+ .+\.$/);
  });

  it('has sizes as people write them', () => {
    expect(() => sizeOf('160*90')).toThrow('A size looks like 160x90, not 160*90.');
  });
});

describe('the report', () => {
  const outcome = (wall: number): Outcome => ({
    of: { name: 'mana-nano-x2', size: { width: 100, height: 50 }, precision: 'f32' } as Outcome['of'],
    wall: { ours: 2, theirs: 2 * wall, ratio: wall },
    gpu: { ours: 1, theirs: 8, ratio: 8 },
    macs: 4e9,
    bytes: { moved: 4800, ideal: 1300 },
    levels: 1,
  });
  const report = (results: Report['results']): Report => ({
    adapter: {
      identity: { vendor: 'acme', architecture: 'one', device: '', description: '' },
      name: 'acme one',
      features: { has: ['timestamp-query'], lacks: ['shader-f16'] },
      limits: {} as GPUSupportedLimits,
      remark: '',
      request: () => Promise.reject(new Error('unused')),
    },
    date: new Date(0),
    versions: ['mana-upscale 1'],
    bases: [{ precision: 'f32', peak: 8e12, tuning: { pixels: 4, groups: 2, workgroup: [8, 8] }, how: 'remembered' }],
    results,
  });

  it('has a line for each clock, with rates against the peak', () => {
    const text = reportText(report([outcome(4)]));
    const lines = text.split('\n').filter((line) => line.startsWith('mana-nano'));
    expect(lines.map((line) => line.split(/\s{2,}/))).toEqual([
      [
        'mana-nano-x2',
        '100x50',
        'fp32',
        'wall',
        '2.00',
        '8.00',
        '4.00x',
        '2000',
        '500',
        '25.0 %',
        '6.3 %',
        '4800',
        '1300',
        '1',
      ],
      [
        'mana-nano-x2',
        '100x50',
        'fp32',
        'GPU',
        '1.00',
        '8.00',
        '8.00x',
        '4000',
        '500',
        '50.0 %',
        '6.3 %',
        '4800',
        '1300',
        '1',
      ],
    ]);
    expect(text).toContain(
      'fp32: peak 8000 GMAC/s of matrix products; tuned to 4 pixels x 8 channels, 8x8 (remembered)',
    );
  });

  it('tells what could not be compared, and why', () => {
    const failed = { of: outcome(1).of, reason: 'The GPU’s memory is not enough.' };
    const one = report([outcome(4), failed, outcome(6)]);
    expect(rowsOf(one).length).toBe(4);
    expect(headline(one)).toBe('ONNX Runtime takes 4.0 to 6.0 times as long as our kernels here.');
    expect(reportText(one)).toContain('100x50 fp32 was not compared: The GPU’s memory is not enough.');
    expect(headline(report([failed]))).toBe('Nothing could be compared.');
  });
});
