import { describe, expect, it } from 'vitest';
import { fuzz } from '../fuzz/fuzz.js';
import { assemble, forward, targets } from '../fuzz/targets/rtp.js';

describe.each(targets)('$name', (target) => {
  it('stands 100,000 malformed inputs: none throws, none takes long, nothing is kept', async () => {
    const report = await fuzz(target, 100_000, 1);
    expect(report.slowestMs, report.slowest).toBeLessThan(250);
    expect(report.grownBytes).toBeLessThan(64 * 2 ** 20);
  });
});

it('begins with inputs that get through to the end', () => {
  for (const { name, seeds } of targets) {
    const codec = name.includes('vp8') ? 'vp8' : 'h264';
    if (name.endsWith('assembler')) for (const seed of seeds) expect(assemble(codec, seed), name).toBeGreaterThan(0);
    if (name.endsWith('output')) for (const seed of seeds) expect(forward(codec, seed), name).toBeGreaterThan(0);
  }
});

it('tells the input that makes a target throw', async () => {
  const strict = {
    name: 'strict',
    seeds: [Uint8Array.of(1, 2, 3)],
    run: (input: Uint8Array) => {
      if (input.length > 3) throw new Error('Too long.');
    },
  };
  await expect(fuzz(strict, 1000, 1)).rejects.toThrow(/^strict, input \d+ of seed 1: [0-9a-f]{8,}$/);
});
