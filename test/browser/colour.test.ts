import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Case, jump } from '../pages/colour.js';
import { inPage, launchChromium, openPage } from '../support/browser.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  server = await startServer();
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function run<T>(name: string, ...args: unknown[]): Promise<T> {
  const { page } = await openPage(browser, server.url);
  try {
    return await inPage<T>(page, 'colour', name, ...args);
  } finally {
    await page.close();
  }
}

const NAMED: Case[] = (['I420', 'NV12'] as const).flatMap((format) =>
  (['bt709', 'smpte170m'] as const).flatMap((matrix) => [
    { format, matrix, fullRange: false },
    { format, matrix, fullRange: true },
  ]),
);

describe('frames are read within 1 level of the exact formula', () => {
  it.each([...NAMED, { format: 'RGBA' }, { format: 'RGBX' }, { format: 'BGRA' }, { format: 'BGRX' }] as Case[])(
    '$format $matrix, full range $fullRange',
    async (test) => {
      for (const [width, height, crop] of [
        [64, 48, false],
        [33, 21, false],
        [64, 48, true],
      ] as const) {
        expect(await run<number>('reading', test, width, height, crop)).toBeLessThanOrEqual(1);
      }
    },
  );
});

describe('no jump: the mean of each channel is what the browser shows of the source, within 1 level, on every level', () => {
  it.each([
    { format: 'I420', matrix: 'bt709', fullRange: false },
    { format: 'I420', matrix: 'smpte170m', fullRange: false },
    { format: 'I420', matrix: 'bt709', fullRange: true },
    { format: 'I420' },
    { format: 'NV12' },
    { format: 'BGRX' },
  ] as Case[])('$format $matrix, full range $fullRange', async (test) => {
    const { shown, fast, network, said } = await run<Awaited<ReturnType<typeof jump>>>('jump', test);
    console.log(JSON.stringify(test), said, shown, fast, network);
    for (let channel = 0; channel < 3; channel++) {
      expect(Math.abs((fast[channel] as number) - (shown[channel] as number))).toBeLessThanOrEqual(1);
      expect(Math.abs((network[channel] as number) - (shown[channel] as number))).toBeLessThanOrEqual(1);
    }
  });
});
