import { describe, expect, it } from 'vitest';
import type { Case } from '../pages/colour.js';
import { inPage } from '../support/browser.js';
import { testPages } from '../support/pages.js';

const pages = testPages();

const NAMED: Case[] = (['I420', 'NV12'] as const).flatMap((format) =>
  (['bt709', 'smpte170m'] as const).flatMap((matrix) => [
    { format, matrix, fullRange: false },
    { format, matrix, fullRange: true },
  ]),
);

it('frames of every format, size and crop are read within 1 level of the exact formula', async () => {
  const cases = [...NAMED, { format: 'RGBA' }, { format: 'RGBX' }, { format: 'BGRA' }, { format: 'BGRX' }] as Case[];
  await pages.use(async (page) => {
    for (const test of cases) {
      for (const [width, height, crop] of [
        [64, 48, false],
        [33, 21, false],
        [64, 48, true],
      ] as const) {
        const off = await inPage<number>(page, 'colour', 'reading', test, width, height, crop);
        expect(off, `${JSON.stringify(test)} ${width}x${height} ${crop}`).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe('no jump: in one screenshot the output’s mean colour is the source’s, within 1 level a channel', () => {
  it.each([
    { format: 'I420', matrix: 'bt709', fullRange: false },
    { format: 'I420', matrix: 'smpte170m', fullRange: false },
    { format: 'I420', matrix: 'bt709', fullRange: true },
    { format: 'I420', matrix: 'smpte170m', fullRange: true },
    { format: 'I420' },
    { format: 'NV12' },
    { format: 'BGRX' },
  ] as Case[])('$format $matrix, full range $fullRange: fast-scaled and by the network', async (test) => {
    for (const [level, model] of [
      ['fast', '/nowhere/manifest.json'],
      ['full', 'mana-nano-x2'],
    ] as const) {
      const { page } = await pages.open();
      await inPage(page, 'colour', 'sideBySide', test, model);
      await expect.poll(() => inPage(page, 'colour', 'levelNow'), { timeout: 240_000 }).toBe(level);
      // Some frames later the new level is what the video element shows.
      await new Promise((resolve) => setTimeout(resolve, 800));
      const clip = { x: 0, y: 0, width: 384, height: 128 };
      const png = await page.screenshot({ clip, encoding: 'base64' });
      const [source, output] = await inPage<[number[], number[]]>(page, 'colour', 'halves', png);
      await page.close();
      expect(Math.max(...source) - Math.min(...source)).toBeGreaterThan(10);
      // Chromium's software conversion of limited-range BT.709 shows blue a whole level darker than the standard's
      // formula (its fixed-point coefficients end at 2.0, the formula asks for 2.11); on a GPU it does not.
      const offInBlue = test.matrix === 'bt709' && test.fullRange === false ? 1.25 : 1;
      for (const [channel, most] of [1, 1, offInBlue].entries()) {
        expect(Math.abs((output[channel] as number) - (source[channel] as number))).toBeLessThanOrEqual(most);
      }
    }
  });
});
