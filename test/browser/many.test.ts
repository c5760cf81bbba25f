import { describe, expect, it } from 'vitest';
import type { Four } from '../pages/many.js';
import { testPages } from '../support/pages.js';

const pages = testPages();

describe('four tracks', () => {
  it('share one engine, keep their own pictures, and go on when others are closed', async () => {
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
});
