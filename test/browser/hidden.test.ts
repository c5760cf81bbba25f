import { describe, expect, it } from 'vitest';
import type { Hidden } from '../pages/hidden.js';
import { inPage, launchChromium } from '../support/browser.js';
import { testPages } from '../support/pages.js';

const HIDDEN_MS = 60_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a page that nobody sees, in Chromium', () => {
  const pages = testPages(() => launchChromium({ throttling: true }));

  it('upscales for a minute in real time, while the window’s timers run once a second', {
    timeout: 180_000,
  }, async () => {
    const { states, ...hidden } = await pages.use(async (page) => {
      await inPage(page, 'hidden', 'begin');
      const other = await pages.open();
      await other.page.bringToFront();
      await sleep(HIDDEN_MS / 2);
      expect(await page.evaluate(() => document.visibilityState)).toBe('hidden');
      await sleep(HIDDEN_MS / 2);
      await page.bringToFront();
      const result = await inPage<Hidden>(page, 'hidden', 'end');
      await other.page.close();
      return result;
    });
    const { shown, delayMs, ...figures } = hidden;
    console.info('hidden', figures, delayMs, 'shown', shown.delayMs);
    expect(states).toEqual(['visible', 'hidden', 'visible']);
    expect(hidden.hiddenMs).toBeGreaterThan(HIDDEN_MS - 1000);
    // The browser does slow this page down.
    expect(hidden.ticksPerSecond).toBeLessThan(1.5);
    expect(hidden.came).toBeGreaterThan(hidden.due * 0.9);
    expect(hidden.byNetwork).toBeGreaterThan(hidden.due * 0.85);
    expect(hidden.longestGapMs).toBeLessThan(1000);
    expect(delayMs.last[0]).toBeLessThan(delayMs.first[0] + 100);
    expect(shown.rising).toBe(true);
    expect(shown.gains.length).toBeGreaterThan(50);
    expect(Math.min(...shown.gains)).toBeGreaterThan(-1);
    expect(shown.gains.at(-1)).toBeGreaterThan(0.5);
    expect(['fast', 'pass-through']).not.toContain(shown.level);
    expect(shown.delayMs).toBeLessThan(delayMs.first[0] + 100);
  });
});
