import { describe, expect, it } from 'vitest';
import type { Fault } from '../../examples/faults/faults.js';
import type { Setting, Survival } from '../pages/faults.js';
import { launchChromium } from '../support/browser.js';
import { testPages } from '../support/pages.js';

/** The network must be back within this time where nothing stands in its way. */
const RECOVERY_MS = 2000;
/** A machine with two cores may need longer to start a worker; the product's own waiting is in the figure above. */
const WASM = { backend: 'wasm', width: 80, height: 48, seconds: 40 } satisfies Setting;
/** In software a GPU makes a tiny picture in a long time. */
const WEBGPU = {
  backend: 'webgpu',
  width: 24,
  height: 16,
  intervalMs: 400,
  budgetMs: 20_000,
  seconds: 100,
} satisfies Setting;

const pages = testPages(() => launchChromium({ gpu: 'swiftshader' }));

/** The track lives, its frames go on in order, and the browser's scaling fills the gap. */
function expectAlive(survival: Survival): void {
  expect(survival.state).toBe('live');
  expect(survival.rising).toBe(true);
  expect(survival.fast).toBeGreaterThan(0);
  expect(survival.longestGapMs).toBeLessThan(1000);
}

/** The network makes the picture again, as well as before. */
function expectNetwork(survival: Survival): void {
  expect(survival.backMs).not.toBeNull();
  expect(['fast', 'pass-through']).not.toContain(survival.level);
  expect(survival.gainAfter).toBeGreaterThan(survival.gainBefore / 2);
}

async function survive(fault: Fault, setting: Setting = WASM): Promise<Survival> {
  const survival = await pages.run<Survival>('faults', 'survive', fault, setting);
  console.log(JSON.stringify({ fault, ...survival }));
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
  ])('$type $graph', { timeout: 120_000 }, async (fault) => {
    const survival = await survive(fault);
    expectAlive(survival);
    expect(survival.worst).toBeGreaterThan(20);
    expectNetwork(survival);
    expect(survival.backMs).toBeLessThanOrEqual(RECOVERY_MS);
  });

  it('wrong-numbers', { timeout: 120_000 }, async () => {
    const survival = await survive({ type: 'wrong-numbers' });
    expectAlive(survival);
    // Wrong pictures leave until they are found out, and none after that.
    expect(survival.worstOnceLeft).toBeGreaterThan(20);
    expectNetwork(survival);
    expect(survival.backMs).toBeLessThanOrEqual(RECOVERY_MS);
  });

  it('lose-device', { timeout: 240_000 }, async () => {
    const survival = await survive({ type: 'lose-device' }, WEBGPU);
    expectAlive(survival);
    expect(survival.worst).toBeGreaterThan(20);
    expectNetwork(survival);
  });
});

describe('the engine of a live track fails for good, and the picture goes on by the browser’s scaling', () => {
  it.each<Fault>([
    { type: 'throw-always', graph: 'encode' },
    { type: 'throw-always', graph: 'fuse' },
    { type: 'wrong-for-ever' },
  ])('$type $graph', { timeout: 120_000 }, async (fault) => {
    const survival = await pages.run<Survival>('faults', 'endure', fault, WASM, 8000);
    console.log(JSON.stringify({ fault, ...survival }));
    expectAlive(survival);
    expect(survival.worstOnceLeft).toBeGreaterThan(20);
    expect(survival.level).toBe('fast');
    expect(survival.backMs).toBeNull();
    expect(survival.fast).toBeGreaterThan(100);
    expect(survival.reasons.length).toBeGreaterThan(0);
  });
});
