import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runPage } from '../../bench/gpu/headless.js';
import { type Served, serve } from '../../bench/gpu/serve.js';
import { openPage } from '../support/browser.js';
import { openChromium, type SharedChromium } from '../support/shared-browser.js';

// Software WebGPU: one network, a tiny picture, two tunings, one round.
const QUERY = 'models=mana-nano-x2&sizes=24x16&tries=2&rounds=1&roundMs=1';
const LONG_MS = 100_000;

let served: Served;
let browser: SharedChromium | undefined;

beforeAll(async () => {
  served = await serve(0);
});

afterEach(() => browser?.close());
afterAll(() => served?.close());

test('the bench of a visitor’s GPU runs to its end, agrees and gives its figures as text', {
  timeout: LONG_MS,
}, async () => {
  browser = await openChromium({ gpu: 'swiftshader' });
  const { origin } = new URL(served.url);
  await browser.overridePermissions(origin, ['clipboard-read', 'clipboard-sanitized-write']);
  const { page, log } = await openPage(browser, `${served.url}?${QUERY}`);
  await runPage(page, LONG_MS);
  expect(await page.$eval('#error', (line) => line.textContent)).toBe('');
  expect(await page.$eval('#status', (line) => line.textContent)).toBe('Done.');

  const cells = await page.$$eval('#table tr', (rows) =>
    rows.map((row) => [...row.children].map((one) => one.textContent)),
  );
  const [names = [], ...rows] = cells;
  // SwiftShader has a GPU clock.
  expect(rows.map((row) => row.slice(0, 4))).toEqual([
    ['mana-nano-x2', '24x16', 'fp32', 'wall'],
    ['mana-nano-x2', '24x16', 'fp32', 'GPU'],
  ]);
  for (const row of rows) {
    const figure = (name: string): number => Number.parseFloat(row[names.indexOf(name)] ?? '');
    for (const name of ['ours ms', 'ORT ms', 'ORT/ours', 'ours GMAC/s', 'ours/peak'])
      expect(figure(name)).toBeGreaterThan(0);
    expect(figure('ORT ms') / figure('ours ms')).toBeCloseTo(figure('ORT/ours'), 0);
    expect(figure('difference')).toBeLessThanOrEqual(1);
  }

  await page.click('#copy');
  await page.waitForFunction(() => document.getElementById('copied')?.textContent === 'Copied.');
  const text = await page.evaluate(() => navigator.clipboard.readText());
  for (const row of rows) expect(text).toContain(row.at(6));
  expect(text).toContain('swiftshader');

  // The tuning is remembered: the search is not run again.
  expect(text).toMatch(/tuned to .+ \(best of 2 on mana-nano-x2 24x16/);
  const remembered = await page.evaluate(async () => {
    const cache = await caches.open('mana-upscale-models');
    const requests = (await cache.keys()).filter(({ url }) => url.includes('/tuning-'));
    return Promise.all(requests.map(async (request) => [request.url, await (await cache.match(request))?.text()]));
  });
  expect(remembered).toEqual([
    [expect.stringContaining('swiftshader'), expect.stringMatching(/pixels? x \d+ channels/)],
  ]);
  expect(log.filter((line) => line.startsWith('error'))).toEqual([]);
});

test('without WebGPU the page says so and offers no run', async () => {
  browser = await openChromium();
  const { page } = await openPage(browser, served.url);
  await page.waitForFunction(() => document.body.dataset['state'] === 'failed');
  expect(await page.$eval('#error', (line) => line.textContent)).toMatch(/WebGPU/);
  expect(await page.$('#run:enabled')).toBeNull();
});

test('an address that asks for nonsense is answered with a sentence', async () => {
  browser = await openChromium({ gpu: 'swiftshader' });
  const { page } = await openPage(browser, `${served.url}?sizes=huge`);
  await page.waitForFunction(() => document.body.dataset['state'] === 'failed');
  expect(await page.$eval('#error', (line) => line.textContent)).toBe('A size looks like 160x90, not huge.');
});
