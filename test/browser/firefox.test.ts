import { describe, expect, it } from 'vitest';
import { SHIPPED_MODELS } from '../../src/model/registry.js';
import type { operator, upscaledCanvas } from '../pages/firefox.js';
import type { half as halfForm } from '../pages/webgpu.js';
import { launchFirefox } from '../support/browser.js';
import { testPages } from '../support/pages.js';

const pages = testPages(launchFirefox);

describe('Firefox', () => {
  it('a track goes in by a video element and comes out of a canvas, upscaled by the network', async () => {
    const result = await pages.run<Awaited<ReturnType<typeof upscaledCanvas>>>('firefox', 'upscaledCanvas');
    expect(result.size).toBe('320x192');
    expect(result.stats).toMatchObject({ backend: 'wasm', model: 'mana-nano-x2', level: 'full' });
    expect(result.report).toMatchObject({ supported: true, path: 'element' });
    expect(result.state).toBe('ended');
    // Against the truth at twice the size: sharp, aligned and the right frame.
    expect(Math.min(...result.psnr)).toBeGreaterThan(24);
  });

  it('the operator upscales VideoFrames, timestamps unchanged', async () => {
    const result = await pages.run<Awaited<ReturnType<typeof operator>>>('firefox', 'operator');
    expect(result.timestamps).toEqual([-10, -9, -8, -7, -6, -5, -4, -3, -2, -1]);
    expect(result.psnr).toBeGreaterThan(24);
    expect(result.supported).toBe(true);
  });

  it('WebGPU computes the half-precision graphs within their tolerance', async () => {
    for (const name of SHIPPED_MODELS) {
      const { half, fp16, fp32, tolerance } = await pages.run<Awaited<ReturnType<typeof halfForm>>>(
        'webgpu',
        'half',
        name,
      );
      // Without a GPU, Firefox's WebGPU needs a Vulkan driver in software: apt-get install mesa-vulkan-drivers.
      expect(half).toBe(true);
      expect(fp32).toBeLessThan(1e-4);
      expect(fp16).toBeLessThan(tolerance);
      // It is really another arithmetic.
      expect(fp16).toBeGreaterThan(fp32);
    }
  });

  it('frames() can be pulled', async () => {
    expect(await pages.run<string[]>('firefox', 'pulled')).toEqual(Array(5).fill('160x96'));
  });
});
