import { describe, expect, it } from 'vitest';
import type { againstScaler } from '../pages/enlarge.js';
import { launchFirefox } from '../support/browser.js';
import { testPages } from '../support/pages.js';
import { openChromium } from '../support/shared-browser.js';

type Levels = Awaited<ReturnType<typeof againstScaler>>;

const SIZES: readonly (readonly [scale: number, width: number, height: number])[] = [
  [2, 161, 121],
  [2, 320, 180],
  [4, 90, 75],
];

describe('tiles without the network, in Chromium whose canvas is drawn by a GPU', () => {
  const pages = testPages(() => openChromium({ gpu: 'swiftshader' }));

  it.each(SIZES)('are the fast scaler’s pixels at x%i of %i x %i, within 1 level', async (scale, width, height) => {
    const { mean, max } = await pages.run<Levels>('enlarge', 'againstScaler', { width, height }, scale);
    expect(max).toBeLessThanOrEqual(1);
    // Linear interpolation would be off by 0.5 to 0.6.
    expect(mean).toBeLessThan(0.1);
  });
});

describe.each([
  ['Chromium without a GPU', openChromium],
  ['Firefox', launchFirefox],
])('tiles without the network, in %s', (_, launch) => {
  const pages = testPages(() => launch());

  it.each(SIZES)('are near the fast scaler’s at x%i of %i x %i', async (scale, width, height) => {
    // There a VideoFrame is interpolated linearly, whatever quality is asked for.
    const { mean, max } = await pages.run<Levels>('enlarge', 'againstScaler', { width, height }, scale);
    expect(mean).toBeLessThan(1);
    expect(max).toBeLessThanOrEqual(16);
  });
});
