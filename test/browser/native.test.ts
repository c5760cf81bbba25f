import { describe, expect, it } from 'vitest';
import type { Chosen, passedOver, precisions } from '../pages/native.js';
import { launchFirefox } from '../support/browser.js';
import { testPages } from '../support/pages.js';
import { openChromium } from '../support/shared-browser.js';

type Result = Awaited<ReturnType<typeof precisions>>;

describe('our kernels in Firefox, which computes in half precision', () => {
  const pages = testPages(launchFirefox);

  it.each([
    ['mana-nano-x2', 9],
    ['mana-live-x2', 3],
  ])('%s: streams equal WASM, %i frames', async (name, frames) => {
    const { off, lost } = await pages.run<Result>('native', 'precisions', name, false, frames);
    expect(lost).toEqual([]);
    expect(off.f32!.golden).toBeLessThan(1e-4);
    expect(off.f32!.psnr).toBeGreaterThan(70);
    // Without a GPU, Firefox's WebGPU needs a Vulkan driver in software: apt-get install mesa-vulkan-drivers.
    expect(off.f16!.golden).toBeLessThan(off.f16!.tolerance);
    expect(off.f16!.golden).toBeGreaterThan(off.f32!.golden);
    expect(off.f16!.psnr).toBeGreaterThan(50);
  });
});

describe('our kernels on OpenGL ES, by an adapter in compatibility mode', () => {
  const pages = testPages(() => openChromium({ gpu: 'llvmpipe' }));

  it('streams equal WASM', async () => {
    const { core, off, lost } = await pages.run<Result>('native', 'precisions', 'mana-nano-x2', true, 9);
    expect({ core, lost }).toEqual({ core: false, lost: [] });
    expect(off.f32!.golden).toBeLessThan(1e-4);
    expect(off.f32!.psnr).toBeGreaterThan(70);
  });
});

describe('the choice of an engine on WebGPU', () => {
  const pages = testPages(() => openChromium({ gpu: 'swiftshader' }));

  it('our kernels at once, and no ONNX Runtime is fetched only to be compared', async () => {
    const [first] = await pages.run<Chosen[]>('native', 'choices', ['auto']);
    expect(first).toEqual({
      text: 'WebGPU kernels, test gpu, f32, not compared with ONNX Runtime, which is not loaded here',
      fallbacks: [],
      ort: false,
    });
  });

  it('the network as published falls to ONNX Runtime, and the reason is told', async () => {
    expect(await pages.run<Awaited<ReturnType<typeof passedOver>>>('native', 'passedOver')).toMatch(
      /^webgpu-native webgpu Our kernels do not run the network .*of the family mana/,
    );
  });
});
