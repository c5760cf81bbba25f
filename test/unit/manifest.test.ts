import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseManifest } from '../../src/model/manifest.js';

type Json = Record<string, unknown>;

/** A fixture's manifest with one value replaced, or removed, at a path of keys. */
function changed(model: string, path: readonly string[], value: unknown): Json {
  const text = readFileSync(new URL(`../fixtures/${model}/manifest.json`, import.meta.url), 'utf8');
  const manifest = JSON.parse(text) as Json;
  const last = path.at(-1) as string;
  const parent = path.slice(0, -1).reduce((object, key) => object[key] as Json, manifest);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return manifest;
}

describe('parseManifest', () => {
  it.each(['recurrent-tiny', 'mana-paper'])('reads %s', (model) => {
    expect(parseManifest(changed(model, ['metrics'], [])).name).toBe(model);
  });

  it.each([
    ['a plane’s name instead of plane and age', ['encode', 'inputs', 'frame'], 'frame', 'encode input frame must be'],
    ['an age of two', ['encode', 'inputs', 'past', 'age'], 2, 'encode input past must be'],
    ['an unknown plane', ['encode', 'inputs', 'past', 'plane'], 'fear', 'encode input past must be'],
    ['this frame’s own features', ['encode', 'inputs', 'past', 'age'], 0, 'before the encoder has made it'],
    ['no inputs', ['encode', 'inputs'], undefined, 'encode.inputs is missing'],
    ['no outputs', ['encode', 'outputs'], undefined, 'encode.outputs must name planes'],
    ['a plane that nobody makes', ['encode', 'outputs'], { feat: 'feat' }, 'the plane near is read but no output'],
    ['a slot outside the window', ['fuse', 'inputs', 'near0', 'slot'], 7, 'fuse input near0'],
    ['no fuse inputs', ['fuse', 'inputs'], undefined, 'fuse.inputs is missing'],
  ])('refuses %s', (_, path, value, words) => {
    expect(() => parseManifest(changed('recurrent-tiny', path, value))).toThrow(words);
  });

  it.each([
    ['off the grid', { size: 60, overlap: 16 }, 'multiples of align'],
    ['of no size', { size: 0, overlap: 0 }, 'multiples of align'],
    ['that overlap by more than half', { size: 64, overlap: 48 }, 'at most half'],
    ['of another size than the golden tile', { size: 128, overlap: 16 }, 'golden must have the size of a tile'],
    ['without an overlap', { size: 64 }, 'multiples of align'],
    ['as a number', 64, 'multiples of align'],
  ])('refuses exact tiles %s', (_, tile, words) => {
    expect(() => parseManifest(changed('mana-paper', ['tile'], tile))).toThrow(words);
  });
});
