import { expect, it } from 'vitest';
import { fuzz } from '../fuzz/fuzz.js';
import { expectWithstands } from '../fuzz/suite.js';
import { assemble, forward, targets } from '../fuzz/targets/rtp.js';

it.each(targets)('$name stands malformed inputs: none throws, and nothing is kept', expectWithstands);

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
