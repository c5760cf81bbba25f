import { describe, expect, it } from 'vitest';
import { checkBrowserOptions } from '../../src/media/options.js';
import { parseManifest } from '../../src/model/manifest.js';
import { shippedModel } from '../support/models.js';

describe('options', () => {
  it('have defaults', () => {
    expect(checkBrowserOptions()).toMatchObject({
      scale: 2,
      model: 'auto',
      lookahead: 3,
      budgetMs: 200,
      backend: 'auto',
      size: null,
    });
  });

  it.each([
    [{ scale: 3 }, /options\.scale must be 2/],
    [{ model: 'best' }, /options\.model must be 'auto', 'mana-live-x2'/],
    [{ lookahead: 4 }, /options\.lookahead must be 0, 1, 2 or 3/],
    [{ lookahead: 1.5 }, /options\.lookahead/],
    [{ budgetMs: Number.NaN }, /options\.budgetMs must be a positive/],
    [{ backend: 'cuda' }, /options\.backend must be 'auto'/],
    [{ size: { width: 0, height: 10 } }, /options\.size/],
    [{ threads: 0 }, /options\.threads/],
    [{ maxTilePixels: -1 }, /options\.maxTilePixels/],
    [{ signal: {} }, /options\.signal/],
    ['fast', /options, when provided/],
  ])('%j is refused with a sentence', (options, message) => {
    expect(() => checkBrowserOptions(options as never)).toThrow(TypeError);
    expect(() => checkBrowserOptions(options as never)).toThrow(message);
    expect(() => checkBrowserOptions(options as never)).toThrow(/\.$/);
  });
});

describe('parseManifest', () => {
  it.each([
    ['null', null],
    ['another format', { format: 2 }],
  ])('refuses %s', (_name, json) => {
    expect(() => parseManifest(json)).toThrow(/manifest cannot be used/);
  });

  it('refuses a manifest whose graphs, planes and files do not fit together', async () => {
    const { manifest } = await shippedModel('mana-nano-x2');
    const broken = (change: (copy: Record<string, never>) => void): unknown => {
      const copy = structuredClone(manifest) as never;
      change(copy);
      return copy;
    };
    expect(parseManifest(structuredClone(manifest))).toEqual(manifest);
    const changes: ((copy: never) => void)[] = [
      (copy: { scale: number }) => {
        copy.scale = 0;
      },
      (copy: { window: number }) => {
        copy.window = 6;
      },
      (copy: { planes: Record<string, unknown> }) => {
        delete copy.planes['key'];
      },
      (copy: { planes: Record<string, { stride: number }> }) => {
        copy.planes['key']!.stride = 3;
      },
      (copy: { files: Record<string, unknown> }) => {
        delete copy.files['fuse.onnx'];
      },
      (copy: { fuse: { inputs: Record<string, { slot: number }> } }) => {
        copy.fuse.inputs['key0']!.slot = 7;
      },
      (copy: { encode: { macsPerPixel: number } }) => {
        copy.encode.macsPerPixel = -1;
      },
    ];
    for (const change of changes)
      expect(() => parseManifest(broken(change as never))).toThrow(/manifest cannot be used/);
  });
});
