import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchFirefox, openPage, type PageOpener } from '../support/browser.js';
import { openChromium } from '../support/shared-browser.js';

// Busy machines take long for a frame; what is tested is the page, not their speed.
const QUERY = '?backend=wasm&size=160x90&budgetMs=2000&minFrameRate=0';
/** The network makes the picture. */
const NETWORK = '^(full|short)$';

const figure = (page: Page, name: string): Promise<string> =>
  page.$eval(`[data-figure="${name}"]`, (element) => element.textContent ?? '');

/** Waits until a figure says what it should. */
async function until(page: Page, selector: string, wanted: string): Promise<void> {
  await page.waitForFunction(
    (selected, pattern) => new RegExp(pattern).test(document.querySelector(selected)?.textContent ?? ''),
    { timeout: 240_000, polling: 200 },
    selector,
    wanted,
  );
}

/** Size of the upscaled picture that is shown, and a hash of its pixels. */
function shown(page: Page): Promise<{ width: number; height: number; hash: number }> {
  return page.$eval('#after', (element) => {
    const { width, height } = element as HTMLCanvasElement;
    const pixels = (element as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height).data;
    return { width, height, hash: pixels.reduce((hash, value) => (hash * 31 + value) | 0, 7) };
  });
}

async function expectMoving(page: Page): Promise<void> {
  const { width, height, hash } = await shown(page);
  expect([width, height]).toEqual([320, 180]);
  await expect.poll(async () => (await shown(page)).hash, { timeout: 240_000 }).not.toBe(hash);
}

/** Decibels in the page: ours, bicubic. */
async function quality(page: Page): Promise<[number, number]> {
  await until(page, '#psnr-gain', '\\d');
  const decibels = (id: string): Promise<number> => page.$eval(id, (element) => Number(element.textContent));
  return [await decibels('#psnr-ours'), await decibels('#psnr-bicubic')];
}

const faults = (log: readonly string[]): string[] => log.filter((line) => line.startsWith('error'));

describe('the demo in Chromium', () => {
  let browser: PageOpener;
  let page: Page;
  let log: string[];

  beforeAll(async () => {
    browser = await openChromium();
    ({ page, log } = await openPage(browser, `${inject('demo')}${QUERY}`));
    await page.setViewport({ width: 1440, height: 900 });
    await until(page, '[data-figure="level"]', NETWORK);
  });

  afterAll(() => browser?.close());

  it('shows a moving picture, twice as large, closer to the truth than bicubic', async () => {
    await expectMoving(page);
    const [ours, bicubic] = await quality(page);
    expect(bicubic).toBeGreaterThan(15);
    expect(ours).toBeGreaterThan(bicubic);
  });

  it('says what makes the picture', async () => {
    await until(page, '[data-figure="backend"]', '^WASM');
    expect(await figure(page, 'model')).toBe('mana-nano-x2');
    expect(await figure(page, 'sizes')).toBe('160 × 90 in, 320 × 180 out');
    await until(page, '[data-figure="first"]', 'after \\d');
  });

  it('marks the rung of the ladder, and says why it is that one', async () => {
    const [level, rung, reason, lookahead] = await page.evaluate(() =>
      ['[data-figure="level"]', '#rungs [aria-current] b', '#level-reason', '#lookahead'].map(
        (selector) => document.querySelector(selector)?.textContent ?? '',
      ),
    );
    expect(rung).toBe(level);
    expect(reason).toMatch(/ ms/);
    expect(lookahead).toMatch(/^\d frames? now, 3 wanted$/);
    await until(page, '#events', 'From fast to (full|short)\\..*cost \\d.* budget 2000 ms');
  });

  it('draws the added delay, and tells it in words and in a table', async () => {
    await until(page, '#delay-text', 'half of the frames came within [1-9]\\d* ms .* budget is 2000 ms');
    await page.click('#delay-details summary');
    await until(page, '#delay-rows', '0–5 s ago\\d+ ms\\d+ ms\\d+ ms.*(full|short)');
    const drawn = await page.$eval('#delay-chart canvas', (element) => {
      const { width, height } = element as HTMLCanvasElement;
      const pixels = (element as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height).data;
      return pixels.filter((value, index) => index % 4 === 3 && value > 128).length;
    });
    expect(drawn).toBeGreaterThan(500);
  });

  it('changes model and lookahead without touching the source', async () => {
    await page.select('select[name="lookahead"]', '0');
    await until(page, '#code-options', 'lookahead: 0');
    await until(page, '[data-figure="level"]', NETWORK);
    await page.select('select[name="model"]', 'mana-live-x2');
    await until(page, '[data-figure="model"]', '^mana-live-x2$');
    await until(page, '[data-figure="level"]', NETWORK);
    await expectMoving(page);
    expect(await page.$eval('#code-options', (element) => element.textContent)).toContain("model: 'mana-live-x2'");
    await page.select('select[name="model"]', 'auto');
    await until(page, '#code-options', '^(?!.*model)');
  });

  it('shows what a call to itself receives', async () => {
    await page.select('select[name="source"]', 'remote');
    await page.waitForSelector('#stage[data-source="remote"]');
    await until(page, '#events', 'Another source of the same size: the output goes on');
    await until(page, '[data-figure="level"]', NETWORK);
    await expectMoving(page);
    expect(await figure(page, 'sizes')).toBe('160 × 90 in, 320 × 180 out');
    await page.select('select[name="source"]', 'scene');
    await page.waitForSelector('#stage[data-source="scene"]');
  });

  it('says in the page why a source cannot be had, and keeps the one before', async () => {
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'));
    });
    await page.select('select[name="source"]', 'camera');
    await until(page, '#error', 'did not allow the camera');
    expect(await page.$eval('select[name="source"]', (element) => element.value)).toBe('scene');
    await expectMoving(page);
  });

  it('moves the border by keyboard', async () => {
    await page.focus('#split');
    await page.keyboard.press('ArrowRight');
    const stage = await page.$eval('#stage', (element) => element.getAttribute('style'));
    expect(stage).toContain('--split: 50.5%');
  });

  it('fits a narrow screen', async () => {
    await page.setViewport({ width: 390, height: 844 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  });

  it('wrote no errors', () => {
    expect(faults(log)).toEqual([]);
  });

  // Last, because a browser may complain of the frames that were inside a worker when it died.
  it('breaks the engine worker on demand: the picture goes on, and the network is back', async () => {
    await page.setViewport({ width: 1440, height: 900 });
    await page.click('#break summary');
    await page.waitForSelector('#break[data-ready="true"]');
    await until(page, '[data-figure="level"]', NETWORK);
    await page.click('[data-fault="exit"]');
    await until(page, '#trial', 'the network is back after \\d+\\.\\d s');
    await until(page, '#trial-output', 'The output track is live: [1-9]');
    await until(page, '#events', 'From (full|short) to fast\\..*');
    await until(page, '#events', 'The network was away for \\d');
    await until(page, '[data-figure="restarts"]', '^1 given up');
    await expectMoving(page);
    await page.click('#break summary');
    await until(page, '[data-figure="restarts"]', '^0 given up');
    await until(page, '[data-figure="level"]', NETWORK);
    expect(await page.$eval('[data-fault="exit"]', (button) => (button as HTMLButtonElement).disabled)).toBe(true);
  });
});

describe('the demo in Firefox', () => {
  let browser: PageOpener;

  beforeAll(async () => {
    browser = await launchFirefox();
  });

  afterAll(() => browser?.close());

  it('shows a moving picture, twice as large, closer to the truth than bicubic', async () => {
    const { page, log } = await openPage(browser, `${inject('demo')}${QUERY}`);
    await until(page, '[data-figure="level"]', NETWORK);
    await expectMoving(page);
    const [ours, bicubic] = await quality(page);
    expect(ours).toBeGreaterThan(bicubic);
    expect(faults(log)).toEqual([]);
  });
});
