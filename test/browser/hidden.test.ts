import { describe, expect, it } from 'vitest';
import type { Hidden } from '../pages/hidden.js';
import type { hangUp, look } from '../pages/hidden-call.js';
import { inPage, launchFirefox } from '../support/browser.js';
import { testPages } from '../support/pages.js';
import { openChromium } from '../support/shared-browser.js';

const HIDDEN_MS = 60_000;
const HIDDEN_IN_FIREFOX_MS = 20_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a page that nobody sees, in Chromium', () => {
  const pages = testPages(() => openChromium({ throttling: true }));

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

describe('a page that nobody sees, in Firefox', () => {
  const pages = testPages(launchFirefox);
  // Its pages make no pictures where nobody looks, so those that are sent come from elsewhere.
  const elsewhere = testPages();

  it('has no backlog when it is shown again, and begins a new window', { timeout: 120_000, retry: 1 }, async () => {
    const { before, after, outcome } = await pages.use(async (page) => {
      const sender = await elsewhere.open();
      const offer = await inPage(sender.page, 'hidden-call', 'send');
      const answer = await inPage(page, 'hidden-call', 'answer', offer);
      await inPage(sender.page, 'hidden-call', 'accept', answer);
      await inPage(page, 'hidden-call', 'upscale');
      const before = await inPage<Awaited<ReturnType<typeof look>>>(page, 'hidden-call', 'look', 10);
      const other = await pages.open();
      await other.page.bringToFront();
      await sleep(HIDDEN_IN_FIREFOX_MS);
      expect(await page.evaluate(() => document.visibilityState)).toBe('hidden');
      await page.bringToFront();
      const after = await inPage<Awaited<ReturnType<typeof look>>>(page, 'hidden-call', 'look', 30);
      const outcome = await inPage<Awaited<ReturnType<typeof hangUp>>>(page, 'hidden-call', 'hangUp');
      await other.page.close();
      await sender.page.close();
      return { before, after, outcome };
    });
    const behind = after.upscaled.map((shown) => shown.behind);
    console.info('Firefox', outcome, 'behind', behind.join(' '));
    expect(outcome.states).toEqual(['visible', 'hidden', 'visible']);
    expect(outcome.hiddenMs).toBeGreaterThan(HIDDEN_IN_FIREFOX_MS - 1000);
    expect(outcome.ticksPerSecond).toBeLessThan(1.5);
    // What came in while hidden is out: nothing is kept for later.
    expect(outcome.received - outcome.delivered).toBeLessThanOrEqual(3);
    const usual = Math.max(...before.upscaled.map((shown) => shown.behind));
    expect(usual).toBeLessThan(10);
    // Half a second after it is shown the picture is as fresh as before; until then no more than two looks saw an old one.
    expect(behind.slice(0, 8).filter((frames) => frames > usual + 3).length).toBeLessThanOrEqual(2);
    expect(Math.max(...behind.slice(8))).toBeLessThanOrEqual(usual + 3);
    expect(Math.min(...after.upscaled.slice(8).map((shown) => shown.psnr))).toBeGreaterThan(22);
    expect(new Set(after.upscaled.map((shown) => shown.index)).size).toBeGreaterThan(15);
    // A cut may be found in the picture by chance; this is what the stream knew of itself.
    expect(interruptions(outcome.resetsAfter)).toBeGreaterThan(interruptions(outcome.resetsBefore));
  });
});

function interruptions(resets: Readonly<Record<string, number>>): number {
  return Object.entries(resets).reduce((sum, [cause, count]) => (cause === 'cut' ? sum : sum + count), 0);
}
