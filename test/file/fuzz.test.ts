import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ffmpeg, newFolder, outcomeOf, start } from '../support/file-rig.js';

const folder = newFolder();
/** Files of each kind. `MANA_FUZZ_FILES` makes it more. */
const COUNT = Number(process.env['MANA_FUZZ_FILES'] ?? 40);
const SEED = Number(process.env['MANA_FUZZ_SEED'] ?? 1);

/** Numbers 0..1 that are the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A file with some of its bytes changed, moved, left out, or cut off. */
function mutated(file: Buffer, next: () => number): Buffer {
  let out = Buffer.from(file);
  const at = (): number => Math.floor(next() * out.length);
  for (let count = 1 + Math.floor(next() * 12); count > 0; count--) {
    const kind = next();
    const [place, length] = [at(), 1 + Math.floor(next() * 64)];
    if (kind < 0.5) out[place] = Math.floor(next() * 256);
    else if (kind < 0.65) out.fill(next() < 0.5 ? 0 : 255, place, Math.min(out.length, place + length));
    else if (kind < 0.75) out.copy(out, place, at(), at());
    else if (kind < 0.85) out = Buffer.concat([out.subarray(0, place), out.subarray(place + length)]);
    else if (kind < 0.95)
      out = Buffer.concat([out.subarray(0, place), out.subarray(at(), at() + length), out.subarray(place)]);
    else out = out.subarray(0, Math.max(1, place));
  }
  return out;
}

it('whatever is done to a file, it comes to a clear end', async () => {
  mkdirSync(join(folder, 'in'));
  const pictures = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=32x24:rate=25:duration=0.2',
    '-f',
    'lavfi',
    '-i',
    'sine=duration=0.2',
  ];
  const next = random(SEED);
  for (const ending of ['mp4', 'mkv']) {
    const path = join(folder, `seed.${ending}`);
    ffmpeg(...pictures, '-c:v', 'libx264', '-g', '3', '-c:a', 'aac', path);
    const seed = readFileSync(path);
    for (let i = 0; i < COUNT; i++) writeFileSync(join(folder, 'in', `${i}.${ending}`), mutated(seed, next));
  }
  const flags = ['--model', 'mana-nano-x2', '--json', '--max-pixels', '100000', '--preset', 'ultrafast'];
  // A crash must not take the test with it.
  const { code, stdout, stderr } = await outcomeOf(start(['file', 'in', '-o', 'out/', ...flags], folder));
  const lines = stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string | number>);
  const ends = lines.filter(({ type }) => type === 'done' || type === 'failed');
  // A crash names its file: the last one that was begun.
  expect([code, ends.length, stderr.slice(0, 500)], JSON.stringify(lines.at(-1))).toEqual([
    expect.any(Number),
    2 * COUNT,
    expect.any(String),
  ]);
  for (const end of ends) {
    if (end['type'] === 'done') expect(end['frames'], `${end['input']}`).toBeGreaterThan(0);
    else expect(`${end['code']}: ${end['message']}`).toMatch(/^(unreadable|unsupported): .+\.$/);
  }
  const done = ends.filter(({ type }) => type === 'done');
  expect(done.length).toBeGreaterThan(COUNT / 2);
  expect(readdirSync(join(folder, 'out')).length).toBe(done.length);
});
