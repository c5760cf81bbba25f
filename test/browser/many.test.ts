import { describe, expect, it } from 'vitest';
import type { contention, Four } from '../pages/many.js';
import { testPages } from '../support/pages.js';

const pages = testPages();

describe('four tracks', () => {
  it('share one engine, keep their own pictures, and go on when others are closed', { timeout: 120_000 }, async () => {
    const { gains, rising, workers, restarts, after } = await pages.run<Four>('many', 'four');
    expect(workers).toBe(1);
    expect(restarts).toBe(0);
    expect(rising).toBe(true);
    for (const [name, list] of Object.entries(gains)) {
      expect(list, name).toHaveLength(8);
      // Above the browser's scaling of just this frame of just this track: the network made it, of its own source.
      expect(Math.min(...list), name).toBeGreaterThan(0);
    }
    expect(Math.min(...after)).toBeGreaterThanOrEqual(20);
  });

  it('where there is time for one network, the largest picture has it, or the one in focus', {
    timeout: 200_000,
  }, async () => {
    const { before, reasons, after, live } = await pages.run<Awaited<ReturnType<typeof contention>>>(
      'many',
      'contention',
    );
    expect(before).toEqual([true, false, false, false]);
    for (const reason of reasons.slice(1)) expect(reason).toMatch(/takes \d+ ms/);
    expect(after[3]).toBe(true);
    expect(after[0]).toBe(false);
    expect(live).toEqual(Array(4).fill('live'));
  });
});
