import { describe, expect, it } from 'vitest';
import type { elementPath, noWebGpu, orientation, trackInWorker } from '../pages/shapes.js';
import { testPages } from '../support/pages.js';

const pages = testPages();

const run = <T>(name: string, ...args: unknown[]): Promise<T> => pages.run('shapes', name, ...args);

describe('other browsers’ ways to a track’s frames', () => {
  it('Safari’s: a clone of the track is read and the output made on the worker’s side; the clone is stopped at the end', async () => {
    const result = await run<Awaited<ReturnType<typeof trackInWorker>>>('trackInWorker');
    expect(result.frames).toBeGreaterThan(30);
    expect(result.psnr).toBeGreaterThan(24);
    expect(result.stopped).toBe('ended');
  });

  it('Firefox’s: a video element in, a canvas out', async () => {
    const result = await run<Awaited<ReturnType<typeof elementPath>>>('elementPath');
    expect(result).toMatchObject({ path: 'element', backend: 'wasm' });
    expect(result.psnr).toBeGreaterThan(24);
  });
});

it('without WebGPU the next backend is taken, statistics say so and an event says why', async () => {
  const { fallbacks, backend } = await run<Awaited<ReturnType<typeof noWebGpu>>>('noWebGpu');
  expect(fallbacks).toEqual([{ from: 'webgpu', to: 'wasm', reason: 'This browser has no WebGPU adapter.' }]);
  expect(backend).toBe('wasm');
});

it.each([
  [0, true, '240x96'],
  [90, false, '96x160'],
  [180, false, '160x96'],
  [270, true, '96x240'],
])('aspect and orientation are kept: turned by %i degrees, wide pixels %s', async (rotation, wide, size) => {
  const result = await run<Awaited<ReturnType<typeof orientation>>>('orientation', rotation, wide);
  expect(result.size).toBe(size);
  for (const level of ['fast', 'full']) expect(result.psnr[level], level).toBeGreaterThan(24);
});
