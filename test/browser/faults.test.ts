import { describe, expect, it } from 'vitest';
import { type Fault, PASSING_FAULTS } from '../../examples/faults/faults.js';
import type { Survival } from '../pages/faults.js';
import type { Late, neverClose, Replacement, restarted } from '../pages/streams.js';
import type { Setting } from '../pages/watched.js';
import { testPages } from '../support/pages.js';
import { openChromium } from '../support/shared-browser.js';

/** How fast the network is back is what `npm run soak` measures; here it has all the time that a busy machine takes. */
const PATIENT = { budgetMs: 4000, minFrameRate: 0, seconds: 240 } as const;
const WASM = { backend: 'wasm', width: 80, height: 48, ...PATIENT } satisfies Setting;
/** In software a GPU makes a tiny picture in a long time. */
const WEBGPU = {
  ...PATIENT,
  backend: 'webgpu-native',
  width: 24,
  height: 16,
  intervalMs: 400,
  budgetMs: 20_000,
  steady: 3,
} satisfies Setting;

const pages = testPages();
const pagesWithGpu = testPages(() => openChromium({ gpu: 'swiftshader' }));

/** The track lives, and its frames go on in order. */
function expectAlive(survival: Survival): void {
  expect(survival.state).toBe('live');
  expect(survival.rising).toBe(true);
}

/** Frames went on without the network while it was away: it takes a new worker, a new device or a new engine a while. */
function expectFilled(survival: Survival): void {
  expect(survival.without).toBeGreaterThan(0);
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

function survive(fault: Fault, setting: Setting = WASM): Promise<Survival> {
  const { run } = setting.backend === 'wasm' ? pages : pagesWithGpu;
  return run('faults', 'survive', fault, setting);
}

describe('the engine of a live track fails, and the network is back', () => {
  it.each(PASSING_FAULTS.filter(({ type }) => type !== 'wrong-numbers'))('$type $graph', async (fault) => {
    const survival = await survive(fault);
    expectAlive(survival);
    // After the others the same worker goes on, perhaps before the next frame comes.
    if (['exit', 'crash', 'hang'].includes(fault.type)) expectFilled(survival);
    expectRight(survival);
    expectNetwork(survival);
  });

  it('wrong-numbers', async () => {
    const survival = await survive({ type: 'wrong-numbers' });
    expectAlive(survival);
    // Wrong pictures leave until they are found out, and none after that.
    expect(survival.worstGainOnceLeft).toBeGreaterThan(-1);
    expectNetwork(survival);
  });

  it('lose-device', async () => {
    const survival = await survive({ type: 'lose-device' }, WEBGPU);
    expectAlive(survival);
    expectFilled(survival);
    expectRight(survival);
    expectNetwork(survival);
  });
});

it('the engine of a live track is too slow for a while: the picture goes on, and the network is back', async () => {
  // Two frames a second are asked for, and each takes two slow runs.
  const survival = await pages.run<Survival>('faults', 'strain', 500, { ...WASM, minFrameRate: 2 });
  expectAlive(survival);
  expectFilled(survival);
  expectRight(survival);
  expectNetwork(survival);
});

describe('the engine of a live track fails for good, and the picture goes on by the browser’s scaling', () => {
  it.each<Fault>([
    { type: 'throw-always', graph: 'encode' },
    { type: 'throw-always', graph: 'fuse' },
    { type: 'wrong-for-ever' },
  ])('$type $graph', async (fault) => {
    const survival = await pages.run<Survival>('faults', 'endure', fault, WASM, 100);
    expectAlive(survival);
    expect(survival.worstGainOnceLeft).toBeGreaterThan(-1);
    expect(['fast', 'pass-through']).toContain(survival.level);
    expect(survival.backMs).toBeNull();
    expect(survival.without).toBeGreaterThan(20);
    expect(survival.reasons.length).toBeGreaterThan(0);
  });
});

describe('ends of a stream that stop, wait or change', () => {
  it('a consumer that does not read for 320 frames gets fresh ones when it does', async () => {
    const late = await pages.run<Late>('streams', 'neverRead', 320, 24);
    expect(late.inside).toBeLessThanOrEqual(12);
    const [first] = late.waiting as [number];
    expect(first).toBeGreaterThanOrEqual(late.fed - 12);
    expect(late.looks).toHaveLength(24);
    expect(Math.min(...late.looks.map(({ gain }) => gain))).toBeGreaterThan(0);
    const read = [...late.waiting, ...late.looks.map(({ index }) => index)];
    for (const [i, index] of read.entries()) if (i > 0) expect(index).toBeGreaterThan(read[i - 1]!);
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
