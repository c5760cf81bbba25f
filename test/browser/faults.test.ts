import { describe, expect, it } from 'vitest';
import type { Fault } from '../../examples/faults/faults.js';
import type { hiccup, Survival } from '../pages/faults.js';
import type { Late, neverClose, Replacement, restarted } from '../pages/streams.js';
import type { Setting } from '../pages/watched.js';
import { testPages } from '../support/pages.js';
import { openChromium } from '../support/shared-browser.js';

/** The network must be back within this time where nothing stands in its way. */
const RECOVERY_MS = 2000;
/**
 * Tries of a test. A machine that is busy elsewhere may miss the time, and now and then Chromium tells of a frame that is not
 * closed, of which half an hour of `npm run soak` shows none. What is wrong with the package fails both times.
 */
const retry = 1;
const WASM = { backend: 'wasm', width: 80, height: 48, seconds: 40 } satisfies Setting;
/** In software a GPU makes a tiny picture in a long time. */
const WEBGPU = {
  backend: 'webgpu-native',
  width: 24,
  height: 16,
  intervalMs: 400,
  budgetMs: 20_000,
  seconds: 100,
} satisfies Setting;

const pages = testPages();
const pagesWithGpu = testPages(() => openChromium({ gpu: 'swiftshader' }));

/** The track lives, its frames go on in order, and the browser's scaling fills the gap. */
function expectAlive(survival: Survival, longestGapMs = 1000): void {
  expect(survival.state).toBe('live');
  expect(survival.rising).toBe(true);
  expect(survival.fast).toBeGreaterThan(0);
  expect(survival.longestGapMs).toBeLessThan(longestGapMs);
}

/** No frame is worse than the browser's scaling of it would be: not black, not garbage, not another frame. */
function expectRight(survival: Survival): void {
  expect(survival.worst).toBeGreaterThan(20);
  expect(survival.worstGain).toBeGreaterThan(-1);
}

/** The network makes the picture again, nearer to the truth than the browser's scaling. */
function expectNetwork(survival: Survival): void {
  expect(survival.backMs).not.toBeNull();
  expect(['fast', 'pass-through']).not.toContain(survival.level);
  expect(survival.gainAfter).toBeGreaterThan(0.5);
}

async function survive(fault: Fault, setting: Setting = WASM): Promise<Survival> {
  const { run } = setting.backend === 'wasm' ? pages : pagesWithGpu;
  return report(fault, await run<Survival>('faults', 'survive', fault, setting));
}

async function endure(fault: Fault): Promise<Survival> {
  return report(fault, await pages.run<Survival>('faults', 'endure', fault, WASM, 8000));
}

/** How soon is worth knowing, also where it is soon enough. */
function report(fault: Fault, survival: Survival): Survival {
  const { leftMs, backMs, longestGapMs } = survival;
  console.info(Object.values(fault).join(' '), { leftMs, backMs, longestGapMs });
  return survival;
}

describe('the engine of a live track fails, and the network is back soon', () => {
  it.each<Fault>([
    { type: 'exit' },
    { type: 'crash' },
    { type: 'hang' },
    { type: 'throw-once', graph: 'encode' },
    { type: 'throw-once', graph: 'fuse' },
    { type: 'refuse-allocation' },
  ])('$type $graph', { timeout: 120_000, retry }, async (fault) => {
    const survival = await survive(fault);
    expectAlive(survival);
    expectRight(survival);
    expectNetwork(survival);
    expect(survival.backMs).toBeLessThanOrEqual(RECOVERY_MS);
  });

  it('wrong-numbers', { timeout: 120_000, retry }, async () => {
    const survival = await survive({ type: 'wrong-numbers' });
    expectAlive(survival);
    // Wrong pictures leave until they are found out, and none after that.
    expect(survival.worstGainOnceLeft).toBeGreaterThan(-1);
    expectNetwork(survival);
    expect(survival.backMs).toBeLessThanOrEqual(RECOVERY_MS);
  });

  it('lose-device', { timeout: 240_000, retry }, async () => {
    const survival = await survive({ type: 'lose-device' }, WEBGPU);
    // A network in software takes more than a second a frame before anything fails.
    expectAlive(survival, 5000);
    expectRight(survival);
    expectNetwork(survival);
  });
});

it('the engine of a live track is too slow for a while: the picture goes on, and the network is back', {
  timeout: 120_000,
}, async () => {
  const fault = { type: 'slow', ms: 500 } as const;
  const survival = report(fault, await pages.run<Survival>('faults', 'strain', fault.ms, WASM));
  // A frame waits for the one before it, which takes two slow runs.
  expectAlive(survival, 3000);
  expectRight(survival);
  expectNetwork(survival);
});

it('one slow moment of the engine does not cost the stream its lookahead', { timeout: 120_000, retry }, async () => {
  const { before, after, level } = await pages.run<Awaited<ReturnType<typeof hiccup>>>('faults', 'hiccup', 90, WASM);
  expect(level).toMatch(/^(network|full)$/);
  // Three frames, 40 ms apart.
  expect(before).toBeGreaterThan(100);
  expect(after).toBeGreaterThan(100);
  expect(after).toBeLessThan(before + 60);
});

describe('the engine of a live track fails for good, and the picture goes on by the browser’s scaling', () => {
  it.each<Fault>([
    { type: 'throw-always', graph: 'encode' },
    { type: 'throw-always', graph: 'fuse' },
    { type: 'wrong-for-ever' },
  ])('$type $graph', { timeout: 120_000, retry }, async (fault) => {
    const survival = await endure(fault);
    expectAlive(survival);
    expect(survival.worstGainOnceLeft).toBeGreaterThan(-1);
    expect(survival.level).toBe('fast');
    expect(survival.backMs).toBeNull();
    expect(survival.fast).toBeGreaterThan(100);
    expect(survival.reasons.length).toBeGreaterThan(0);
  });
});

describe('ends of a stream that stop, wait or change', () => {
  // A stream from another thread that is left while its source goes on may lose a frame in Chromium, unclosed: one time in five
  // here.
  it('a consumer that does not read for 320 frames gets fresh ones when it does', { retry: 3 }, async () => {
    const late = await pages.run<Late>('streams', 'neverRead', 320, 24);
    expect(late.fed).toBeGreaterThanOrEqual(320);
    expect(late.inside).toBeLessThanOrEqual(12);
    expect(late.looks).toHaveLength(24);
    expect(['fast', 'pass-through']).not.toContain(late.level);
    // The first may have waited for its reader.
    expect(Math.max(...late.behind.slice(1))).toBeLessThanOrEqual(12);
    expect(Math.min(...late.looks.slice(1).map(({ gain }) => gain))).toBeGreaterThan(0);
    for (const [i, { index }] of late.looks.entries())
      if (i > 0) expect(index).toBeGreaterThan(late.looks[i - 1]!.index);
  });

  it('a subscriber that closes no frame gets all of them all the same, moving and right', async () => {
    const { gains, rising } = await pages.run<Awaited<ReturnType<typeof neverClose>>>('streams', 'neverClose', 200, 20);
    expect(rising).toBe(true);
    expect(gains).toHaveLength(20);
    expect(Math.min(...gains)).toBeGreaterThan(0);
  });

  it('a source that ended is followed by another, upscaled anew', async () => {
    const { states, gains, first } = await pages.run<Awaited<ReturnType<typeof restarted>>>('streams', 'restarted');
    expect(states).toEqual(['ended', 'ended']);
    expect(first).toBeLessThan(10);
    expect(Math.min(...gains)).toBeGreaterThan(-1);
    expect(gains.at(-1)).toBeGreaterThan(0.5);
  });

  it.each([
    ['while it runs', false],
    ['after it ended', true],
  ])(
    'a source that is replaced %s: the output stays live, and its network makes the picture of the new one',
    async (_, ends) => {
      const { states, rising, gains, afterDispose } = await pages.run<Replacement>('streams', 'replaced', ends);
      expect(states).toEqual(['live', 'live']);
      expect(rising).toBe(true);
      expect(Math.min(...gains)).toBeGreaterThan(-1);
      expect(gains.at(-1)).toBeGreaterThan(0.5);
      expect(afterDispose).toBe('ended');
    },
  );
});
