import { expect, it } from 'vitest';
import type { attention } from '../pages/native-attention.js';
import { launchFirefox } from '../support/browser.js';
import { testPages } from '../support/pages.js';

const pages = testPages(launchFirefox);

// The only WebGPU here that computes in half precision, and another compiler of WGSL than Chromium's.
it('attention in Firefox, in both precisions, equals the reference', async () => {
  for (const settings of [
    { memory: 16 },
    { memory: 16, queryPool: 1 },
    { valueDim: 16, halo: 8, attendFrames: [1, 2, 3, 5] },
    { channels: 32, queryPool: 1, valueDim: 16, halo: 2, attendFrames: [3] },
  ]) {
    const off = await pages.run<Awaited<ReturnType<typeof attention>>>('native-attention', 'attention', settings);
    expect(off.f32).toBeLessThan(1e-4);
    // Without a GPU, Firefox's WebGPU needs a Vulkan driver in software: apt-get install mesa-vulkan-drivers.
    expect(off.f16).toBeLessThan(0.005);
    expect(off.f16).toBeGreaterThan(off.f32!);
  }
});
