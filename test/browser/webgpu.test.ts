import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { enlarging } from '../pages/webgpu-enlarge.js';
import type { holding, leaving, stages } from '../pages/webgpu-times.js';
import type { againstWasmInWorkers, Choice } from '../pages/webgpu-worker.js';
import { inPage, openPage, type PageOpener } from '../support/browser.js';
import { openChromium } from '../support/shared-browser.js';

// Software WebGPU: pictures are tiny, and compiling a network takes seconds.
const SMALL = { width: 24, height: 16 };
const NANO = 'mana-nano-x2';
const LIVE = 'mana-live-x2';
const RECURRENT = 'recurrent-tiny';

interface Match {
  levels: number;
  moving: boolean;
}

const opened: PageOpener[] = [];

async function open(gpu: 'swiftshader' | 'swiftshader-no-import'): Promise<Page> {
  const browser = await openChromium({ gpu });
  opened.push(browser);
  return (await openPage(browser, inject('pages'))).page;
}

afterAll(async () => {
  for (const browser of opened) await browser.close();
});

const limited = (matrix: VideoMatrixCoefficients) => ({
  matrix,
  primaries: 'bt709',
  transfer: 'bt709',
  fullRange: false,
});
const SOURCES = [
  { format: 'RGBX', coded: [17, 13] },
  { format: 'BGRX', coded: [24, 16] },
  { format: 'BGRA', coded: [24, 20], visible: [4, 2, 18, 13] },
  { format: 'I420', coded: [23, 15], colorSpace: limited('bt709') },
  { format: 'I420', coded: [24, 20], visible: [2, 4, 19, 11], colorSpace: limited('smpte170m') },
  {
    format: 'NV12',
    coded: [24, 16],
    visible: [2, 2, 17, 13],
    colorSpace: { ...limited('smpte170m'), fullRange: true },
  },
];

describe('WebGPU engine, frames as textures', () => {
  let page: Page;
  beforeAll(async () => {
    page = await open('swiftshader');
  });

  test('imports frames and presents a canvas where probing finds the pixels right', async () => {
    const { imports, presentation } = await inPage<{ imports: string[]; presentation: string }>(page, 'webgpu', 'ways');
    expect(presentation).toBe('canvas');
    expect(imports).toContain('BGRX bt709 iec61966-2-1 rgb true');
    // Chromium converts the primaries of BT.601: not what the formula says.
    expect(imports.filter((kind) => /I420|NV12/.test(kind))).toEqual([
      'I420 bt709 bt709 bt709 false',
      'NV12 bt709 bt709 bt709 false',
    ]);
  });

  test.each([NANO, LIVE, RECURRENT])('%s answers the golden tile within 1e-4', async (name) => {
    expect((await inPage<{ error: number }>(page, 'webgpu', 'golden', name)).error).toBeLessThan(1e-4);
  });

  test('nine frames that differ, replayed by graph capture, equal WASM within 1 level', async () => {
    const run = { name: NANO, size: SMALL, frames: 9 };
    const { levels, moving } = await inPage<Match>(page, 'webgpu', 'againstWasm', run);
    expect(levels).toBeLessThanOrEqual(1);
    expect(moving).toBe(true);
  });

  test.each([
    ['whole pictures', { size: { width: 40, height: 24 }, frames: 9 }],
    ['tiles that are cut', { size: { width: 61, height: 37 }, maxPixels: 1600, frames: 5 }],
    ['tiles that are blended', { size: { width: 43, height: 29 }, tile: { size: 24, overlap: 8 }, frames: 5 }],
  ])('a recurrent encoder in %s, a frame not encoded, equals WASM within 1 level', async (_, shape) => {
    const run = { name: RECURRENT, repeated: 3, ...shape };
    const { levels, moving } = await inPage<Match>(page, 'webgpu', 'againstWasm', run);
    expect(levels).toBeLessThanOrEqual(1);
    expect(moving).toBe(true);
  });

  test.each([
    ['side by side', { name: NANO, size: { width: 40, height: 24 }, maxPixels: 640 }, 3],
    ['blended', { name: RECURRENT, size: { width: 43, height: 29 }, maxPixels: 1, tile: { size: 24, overlap: 8 } }, 6],
  ])('tiles that are resampled, %s, equal WASM within 1 level', async (_, run, count) => {
    // Frame by frame: none, one in a corner, others, all, and none again, without the fade.
    const resampled = [[], [0], [1, 2], Array.from({ length: count }, (_, i) => i), []];
    type Result = Awaited<ReturnType<typeof enlarging>>;
    const { levels, tiles } = await inPage<Result>(page, 'webgpu-enlarge', 'enlarging', { ...run, resampled });
    expect(tiles).toBe(count);
    expect(Math.max(...levels)).toBeLessThanOrEqual(1);
  });

  test('packs every format, odd sizes and crops within 1 level, by texture where it may', async () => {
    const { levels, imported } = await inPage<{ levels: number[]; imported: number }>(
      page,
      'webgpu',
      'packing',
      SOURCES.map((source) => ({ ...source, flat: true })),
      // The wall's clock tells at once whether a frame was packed from memory.
      { gpuTimes: false },
    );
    expect(Math.max(...levels)).toBeLessThanOrEqual(1);
    expect(imported).toBe(4);
  });

  test('finds the cells that changed', async () => {
    const changed = [
      [0, 0],
      [15, 9],
      [20, 12],
    ]; // the last pixel is repeated to the padded edge, in its own cell
    const { cells, thumbnail } = await inPage<{ cells: number[]; thumbnail: number }>(
      page,
      'webgpu',
      'comparing',
      changed,
    );
    expect(cells).toEqual([1, 0, 0, 0, 1, 1]);
    expect(thumbnail).toBeLessThan(1e-5);
  });

  test('stage times are the GPU’s own, and all of them less than the time that passed', async () => {
    type Stages = Awaited<ReturnType<typeof stages>>;
    const { timed, times, wallMs } = await inPage<Stages>(page, 'webgpu-times', 'stages', 3);
    expect(timed).toBe('gpu');
    const { copyIn, out, wait, ...gpu } = times;
    for (const ms of Object.values(gpu)) expect(ms).toBeGreaterThan(0);
    expect(copyIn).toBeGreaterThan(0);
    expect(out).toBeGreaterThan(0);
    expect(wait).toBe(0);
    const sum = Object.values(gpu).reduce((total, ms) => total + ms);
    expect(sum).toBeLessThan(wallMs);
  });

  test('without the GPU’s clock, its time is what is waited for', async () => {
    const options = { gpuTimes: false };
    type Stages = Awaited<ReturnType<typeof stages>>;
    const { timed, times } = await inPage<Stages>(page, 'webgpu-times', 'stages', 3, options);
    expect(timed).toBe('wall');
    expect(times.wait + times.compare).toBeGreaterThan(0);
  });

  test('a stream holds what its plan implies, a tenth more at most, and not more after 20 frames', async () => {
    type Holding = Awaited<ReturnType<typeof holding>>;
    const { bytes, implied, disposed } = await inPage<Holding>(page, 'webgpu-times', 'holding', 20);
    expect(bytes[0]).toBeGreaterThan(implied);
    expect(bytes[0]).toBeLessThan(1.1 * implied);
    expect(bytes).toHaveLength(20);
    expect(new Set(bytes).size).toBe(1);
    expect(disposed).toBe(0);
  });

  test('a stream may end while its times are on their way', async () => {
    type Leaving = Awaited<ReturnType<typeof leaving>>;
    expect(await inPage<Leaving>(page, 'webgpu-times', 'leaving')).toEqual({ left: 0, faults: [] });
  });

  test('nothing is left alive after dispose, even in the middle of a call', async () => {
    const left = await inPage(page, 'webgpu', 'disposing');
    expect(left).toEqual({ afterStream: 0, afterEngine: 0, call: 'engine-failed', lost: 0 });
    expect(new Set(await inPage<number[]>(page, 'webgpu', 'closing'))).toEqual(new Set([0]));
  });

  test('a lost device rejects calls, tells once, and a new engine works', async () => {
    type Lost = { rejected: string[]; lost: string[]; again: number };
    const { rejected, lost, again } = await inPage<Lost>(page, 'webgpu', 'losing');
    expect(rejected).toEqual(Array(rejected.length).fill('backend-unavailable'));
    expect(lost).toHaveLength(1);
    expect(again).toBeLessThan(1e-4);
  });
});

describe('WebGPU in the workers', () => {
  let page: Page;
  beforeAll(async () => {
    page = await open('swiftshader');
  });

  test.each(['webgpu', 'webgpu-native'])(
    '%s: a stream’s output is that of WASM within 1 level, and statistics name the backend',
    async (backend) => {
      type Result = Awaited<ReturnType<typeof againstWasmInWorkers>>;
      const { backends, levels } = await inPage<Result>(page, 'webgpu-worker', 'againstWasmInWorkers', backend);
      expect(backends).toEqual(['wasm', backend]);
      expect(levels).toHaveLength(3);
      expect(Math.max(...levels)).toBeLessThanOrEqual(1);
    },
  );

  test('an adapter in software is not taken unless it is asked for by name', async () => {
    const { backend, fallbacks } = await inPage<Choice>(page, 'webgpu-worker', 'choosing', 'auto', false);
    expect(backend).toBe('wasm');
    expect(fallbacks).toEqual([expect.stringMatching(/^webgpu-native wasm .*works in software/)]);
  });

  test('a backend that computes wrongly is refused, the next is taken, and the reason is told', async () => {
    const { backend, fallbacks } = await inPage<Choice>(page, 'webgpu-worker', 'choosing', 'webgpu', true);
    expect(backend).toBe('wasm');
    expect(fallbacks).toEqual([expect.stringMatching(/^webgpu wasm The webgpu backend computes mana-nano-x2 wrongly/)]);
  });
});

describe('WebGPU engine, frames through memory', () => {
  let page: Page;
  beforeAll(async () => {
    page = await open('swiftshader-no-import');
  });

  test('works where frames can be neither imported nor presented, without graph capture', async () => {
    const options = { graphCapture: false };
    const { imports, presentation } = await inPage<{ imports: string[]; presentation: string }>(
      page,
      'webgpu',
      'ways',
      options,
    );
    expect({ imports, presentation }).toEqual({ imports: [], presentation: 'memory' });
    const { levels } = await inPage<{ levels: number[] }>(page, 'webgpu', 'packing', SOURCES, options);
    expect(Math.max(...levels)).toBeLessThan(0.01);
    const run = { name: RECURRENT, size: SMALL, frames: 5 };
    const match = await inPage<Match>(page, 'webgpu', 'againstWasm', run, options);
    expect(match.levels).toBeLessThanOrEqual(1);
  });

  test('21 input channels, which ONNX Runtime gets wrong in its default layout, are right in ours', async () => {
    expect(await inPage<number>(page, 'webgpu-conv', 'convError', 21, 8, 'NCHW')).toBeLessThan(1e-4);
  });
});
