import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Manifest } from '../../src/model/manifest.js';
import type { ahead, fromUrl, Outcome } from '../pages/delivery.js';
import { inPage } from '../support/browser.js';
import { type ModelServer, serveModel } from '../support/model-server.js';
import { testPages } from '../support/pages.js';

const NAME = 'mana-nano-x2';
const { files } = JSON.parse(
  readFileSync(new URL(`../../models/${NAME}/manifest.json`, import.meta.url), 'utf8'),
) as Manifest;
const TOTAL = Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);

const pages = testPages();
const run = <T>(name: string, ...args: unknown[]): Promise<T> => pages.run('delivery', name, ...args);
/** Another origin than the pages'. */
let models: ModelServer;

beforeEach(async () => {
  models = await serveModel(NAME);
  expect(await run<number>('cleared')).toBe(0);
});

afterEach(() => models.stop());

function expectNetwork(outcome: Outcome): void {
  expect(outcome).toMatchObject({ model: NAME, level: 'full', reasons: [] });
  expect(outcome.psnr).toBeGreaterThan(24);
}

it('a model at a URL runs, tells how far it is loaded, and runs again with its server gone', async () => {
  for (const file of Object.keys(files)) models.fault(file, 'slow');
  const first = await run<Awaited<ReturnType<typeof fromUrl>>>('fromUrl', models.url);
  expectNetwork(first);
  expect(first.loading.length).toBeGreaterThan(1);
  expect(first.loading.at(-1)).toMatchObject({ loaded: TOTAL, total: TOTAL });
  await models.stop();
  const second = await run<Outcome>('fromUrl', models.url);
  expectNetwork(second);
  expect(await run('loadAgain', models.url, true)).toBe('loaded');
  expect(await run('cleared')).toBe(0);
  expect(await run('loadAgain', models.url, true)).toMatch(/^UpscaleError: .*manifest\.json could not be fetched/);
});

it('a model given as bytes runs', async () => {
  expectNetwork(await run<Outcome>('fromBytes', new URL(`/models/${NAME}/`, pages.url).href));
});

it('a model loaded ahead runs, and streams that name it find it in the cache', async () => {
  const { told, outcome } = await run<Awaited<ReturnType<typeof ahead>>>('ahead', models.url);
  expectNetwork(outcome);
  expect(told.at(-1)).toMatchObject({ loaded: TOTAL, total: TOTAL });
  models.asked.length = 0;
  expectNetwork(await run<Outcome>('fromUrl', `${models.url}manifest.json`));
  expect(models.asked).toEqual(['manifest.json']);
});

it('a load that is aborted ends with the reason while its server stalls, and its connections with it', async () => {
  for (const file of Object.keys(files)) models.fault(file, 'stalled');
  expect(await run('abortedLoad', models.url)).toBe('enough');
  await expect.poll(() => models.open.size, { timeout: 240_000 }).toBe(0);
});

it('a track that is left while its model is on the way ends the downloads', async () => {
  for (const file of Object.keys(files)) models.fault(file, 'stalled');
  const { page } = await pages.open();
  await inPage(page, 'delivery', 'endedWhileLoading', models.url);
  await expect.poll(() => models.open.size, { timeout: 240_000 }).toBe(0);
  await page.close();
});

it('an altered file in the cache is never used', async () => {
  expect(await run('loadAgain', models.url, true)).toBe('loaded');
  expect(await run('alterCache')).toBe(Object.keys(files).length + 1);
  models.asked.length = 0;
  expectNetwork(await run<Outcome>('fromUrl', models.url));
  expect(models.asked.toSorted()).toEqual([...Object.keys(files), 'manifest.json'].sort());
});

it('where there is no Cache Storage models load without', async () => {
  expect(await run('loadAgain', models.url, false)).toBe('loaded');
});

it.each(['altered', 'short'] as const)(
  'a file that is %s for a while: the picture goes on, the reason is told, then the network takes over',
  async (fault) => {
    // Asked for twice by each try.
    models.fault('fuse.onnx', fault, 4);
    const outcome = await run<Outcome>('fromUrl', models.url);
    expect(outcome).toMatchObject({ model: NAME, level: 'full' });
    expect(outcome.psnr).toBeGreaterThan(24);
    expect(outcome.reasons).toHaveLength(1);
    expect(outcome.reasons[0]).toContain(`${models.url}fuse.onnx`);
  },
);

it('a file that is not there: the picture goes on, and the server is not asked again', async () => {
  models.fault('fuse.onnx', 'missing');
  const outcome = await run<Outcome>('refused', models.url, 2500);
  expect(outcome).toMatchObject({ model: null, level: 'fast' });
  expect(outcome.psnr).toBeGreaterThan(20);
  expect(outcome.reasons).toHaveLength(1);
  expect(outcome.reasons[0]).toMatch(/fuse\.onnx could not be fetched: the server answered 404\. Is the URL right/);
  expect(models.asked.filter((file) => file === 'fuse.onnx')).toHaveLength(1);
});
