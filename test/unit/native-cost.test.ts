import { expect, it } from 'vitest';
import { USUAL_TUNING } from '../../src/engine/native/conv.js';
import { nativeCost } from '../../src/engine/native/cost.js';
import { readInitialisers } from '../../src/engine/native/initialisers.js';
import { liveSettings } from '../../src/engine/native/settings.js';
import type { ShippedModel } from '../../src/model/registry.js';
import { shippedModel } from '../support/models.js';

async function costOf(name: ShippedModel, precision: 'f32' | 'f16' = 'f32') {
  const { manifest, files } = await shippedModel(name);
  const weights = (file: string) => readInitialisers(files.get(file)!).weights;
  const settings = liveSettings(manifest, weights(manifest.encode.file), weights(manifest.fuse.file));
  const macs = manifest.encode.macsPerPixel + manifest.fuse.macsPerPixel;
  return { cost: nativeCost(settings, precision, USUAL_TUNING), macs, settings };
}

it.each(['mana-nano-x2', 'mana-live-x2', 'mana-nano-x4', 'mana-live-x4'] as const)('%s', async (name) => {
  const { cost, macs, settings } = await costOf(name);
  const half = (await costOf(name, 'f16')).cost;
  console.log(
    `${name}: ${cost.dispatches} dispatches, ${cost.macs} products; bytes of a pixel: ${cost.bytesLoaded.toFixed(0)} loaded, ` +
      `${cost.bytesStored} stored, ${cost.idealBytes} at least (f16: ${half.idealBytes}); weights ${cost.weightBytes}.`,
  );
  // A picture's three channels are read as four, and the decoder's block makes a ring of pixels again: 10x10 for 8x8.
  const { channels } = settings;
  expect(cost.macs - macs).toBe(9 * channels + 9 * channels ** 2 * (100 / 64 - 1));
  expect(cost.dispatches).toBe(1 + 2 * settings.encoderBlocks + 1 + settings.decoderBlocks + 1);
  expect(cost.dispatches).toBeLessThanOrEqual(name.includes('live') ? 16 : 12);
  expect(half.idealBytes).toBeLessThan(0.6 * cost.idealBytes);
  expect(cost.bytesLoaded + cost.bytesStored).toBeGreaterThan(cost.idealBytes);
});
