import { expect, it } from 'vitest';
import { rgbx } from '../../src/frame/rgbx.js';
import type { scenes } from '../pages/windows.js';
import { shippedModel } from '../support/models.js';
import { testPages } from '../support/pages.js';
import { largestDifference } from '../support/pictures.js';
import { networkAlone, windowOf } from '../support/reference.js';

const pages = testPages();

it('after every kind of interruption a track’s frames are those of a stream that begins there', async () => {
  const result = await pages.run<Awaited<ReturnType<typeof scenes>>>('windows', 'scenes');
  const { before, stats } = result;
  expect(stats.framesDropped).toEqual(before.framesDropped);
  expect(stats.framesByLevel.fast).toBe(before.framesByLevel.fast);
  expect(stats.windowResets).toEqual({ cut: 1, gap: 1, mute: 1, source: 1, shape: 2, hidden: 0 });
  const model = await shippedModel('mana-nano-x2');
  for (const { cause, frames, out } of result.scenes) {
    const sources = frames.map((text) =>
      rgbx(new Uint8ClampedArray(Buffer.from(text, 'base64')), 80, 48, { timestampUs: 0 }),
    );
    const windows = sources.map((_, centre) => windowOf(centre, sources.length, 3));
    const expected = await networkAlone(model, sources, windows);
    for (const [i, picture] of expected.entries()) {
      const pixels = Buffer.from(out[i] ?? '', 'base64');
      // The stream's very last frame may be lost between the track's end and the reader.
      if (cause === 'cut' && i === frames.length - 1 && pixels.length === 0) continue;
      expect(largestDifference(pixels, picture), `${cause}, frame ${i}`).toBeLessThanOrEqual(1);
    }
  }
});
