import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Hidden } from '../pages/hidden.js';
import type { hangUp, look } from '../pages/hidden-call.js';
import { inPage, launchFirefox } from '../support/browser.js';
import { testPages } from '../support/pages.js';
import { openChromium } from '../support/shared-browser.js';

/** So many frames must come by the network while nobody looks. How evenly they come is what `npm run soak` measures. */
const FRAMES = 150;
/** Long enough for a backlog that would be seen. */
const HIDDEN_IN_FIREFOX_MS = 10_000;

describe('a page that nobody sees, in Chromium', () => {
  const pages = testPages(() => openChromium({ throttling: true }));

  it('is upscaled by the network, while the window’s timers run once a second', async () => {
    const { states, byNetwork, ticksPerSecond, shown } = await pages.use(async (page) => {
      await inPage(page, 'hidden', 'begin', { budgetMs: 4000, minFrameRate: 0 });
      const other = await pages.open();
      await other.page.bringToFront();
      await inPage(page, 'hidden', 'seen', FRAMES);
      expect(await page.evaluate(() => document.visibilityState)).toBe('hidden');
      await page.bringToFront();
      const result = await inPage<Hidden>(page, 'hidden', 'end', 50);
      await other.page.close();
      return result;
    });
    expect(states).toEqual(['visible', 'hidden', 'visible']);
    // The browser does slow this page down.
    expect(ticksPerSecond).toBeLessThan(1.5);
    expect(byNetwork).toBeGreaterThanOrEqual(FRAMES * 0.9);
    expect(shown.rising).toBe(true);
    expect(shown.gains.length).toBeGreaterThanOrEqual(50);
    expect(Math.min(...shown.gains)).toBeGreaterThan(-1);
    expect(shown.gains.at(-1)).toBeGreaterThan(0.5);
    expect(['fast', 'pass-through']).not.toContain(shown.level);
  });
});

describe('a page that nobody sees, in Firefox', () => {
  const pages = testPages(launchFirefox);
  // Its pages make no pictures where nobody looks, so those that are sent come from elsewhere.
  const elsewhere = testPages();

  it('has no backlog when it is shown again, and begins a new window', async () => {
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
    expect(outcome.states).toEqual(['visible', 'hidden', 'visible']);
    expect(outcome.hiddenMs).toBeGreaterThan(HIDDEN_IN_FIREFOX_MS - 1000);
    expect(outcome.ticksPerSecond).toBeLessThan(1.5);
    // What came in while hidden is out: nothing is kept for later.
    expect(outcome.inside).toBeLessThanOrEqual(3);
    // In the end the picture is no older than before the page was hidden.
    const usual = Math.max(...before.upscaled.map((shown) => shown.behind));
    expect(Math.min(...after.upscaled.map((shown) => shown.behind))).toBeLessThanOrEqual(usual);
    expect(Math.min(...after.upscaled.slice(8).map((shown) => shown.psnr))).toBeGreaterThan(22);
    expect(new Set(after.upscaled.map((shown) => shown.index)).size).toBeGreaterThan(10);
    // A cut may be found in the picture by chance; this is what the stream knew of itself.
    expect(interruptions(outcome.resetsAfter)).toBeGreaterThan(interruptions(outcome.resetsBefore));
  });
});

function interruptions(resets: Readonly<Record<string, number>>): number {
  return Object.entries(resets).reduce((sum, [cause, count]) => (cause === 'cut' ? sum : sum + count), 0);
}
