import { describe, expect, it } from 'vitest';
import { checkBrowserOptions } from '../../src/media/options.js';
import { parseManifest } from '../../src/model/manifest.js';
import { defaultModel, SHIPPED_MODELS, SHIPPED_SCALES, scaleOf } from '../../src/model/registry.js';
import type { ModelSource, PackedModel } from '../../src/model/source.js';
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
    [{ scale: 3 }, /options\.scale must be 2 or 4: no model for 3 ships yet/],
    [{ model: 'best' }, /options\.model must be 'auto', 'mana-live-x2'/],
    [{ model: 'mana-live-x8' }, /options\.model must be 'auto', 'mana-live-x2'/],
    [{ model: 'models/mine/' }, /the URL of a manifest\.json or of its folder/],
    [{ model: 'blob:https://example.com/4711' }, /the URL of a manifest\.json or of its folder/],
    [{ model: {} }, /or \{ manifest, files \}/],
    [{ model: { manifest: 'text', files: {} } }, /options\.model\.manifest must be/],
    [{ model: { manifest: {}, files: 'a' } }, /options\.model\.files must be/],
    [{ model: { manifest: {}, files: { 'a.onnx': [1] } } }, /options\.model\.files\['a\.onnx'\] must be/],
    [{ model: 'mana-nano-x2', scale: 4 }, /options\.scale must be 2 for the model mana-nano-x2/],
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

describe('options.model', () => {
  const chosen = (model: ModelSource): unknown => checkBrowserOptions({ model }).model;

  it.each<[string | URL, string]>([
    ['https://example.com/m/manifest.json', 'https://example.com/m/manifest.json'],
    ['https://example.com/m/v2.json?key=1', 'https://example.com/m/v2.json?key=1'],
    ['https://example.com/m', 'https://example.com/m/manifest.json'],
    ['https://example.com/m/?key=1', 'https://example.com/m/manifest.json?key=1'],
    [new URL('file:///models/mine/'), 'file:///models/mine/manifest.json'],
  ])('%s is the manifest %s', (model, url) => {
    expect(chosen(model)).toBe(url);
  });

  it('takes bytes in every form, and passes them on as they were', async () => {
    const text = '{"name":"mine"}';
    const files = { 'a.onnx': Uint8Array.of(1, 2), 'b.onnx': Uint8Array.of(3).buffer, 'c.bin': new Blob(['x']) };
    const packed = chosen({ manifest: { name: 'mine' }, files }) as PackedModel;
    expect(chosen({ manifest: new TextEncoder().encode(text), files })).toMatchObject({ text });
    expect(packed.text).toBe(text);
    files['a.onnx'][0] = 9;
    expect(new Uint8Array(await packed.blobs['a.onnx']!.arrayBuffer())).toEqual(Uint8Array.of(1, 2));
    expect(Object.values(packed.blobs).map(({ size }) => size)).toEqual([2, 1, 1]);
  });

  it('brings its scale along, when it ships', () => {
    for (const model of SHIPPED_MODELS) expect(checkBrowserOptions({ model }).scale).toBe(scaleOf(model));
    expect(checkBrowserOptions({ scale: 4 })).toMatchObject({ scale: 4, model: 'auto' });
    for (const backend of ['webgpu', 'wasm'] as const) {
      for (const scale of SHIPPED_SCALES) expect(scaleOf(defaultModel(backend, scale))).toBe(scale);
    }
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
        delete copy.planes['near'];
      },
      (copy: { planes: Record<string, { stride: number }> }) => {
        copy.planes['near']!.stride = 3;
      },
      (copy: { files: Record<string, unknown> }) => {
        delete copy.files['fuse.onnx'];
      },
      (copy: { fuse: { inputs: Record<string, { slot: number }> } }) => {
        copy.fuse.inputs['near4']!.slot = 7;
      },
      (copy: { half: { fuse: string } }) => {
        copy.half.fuse = 'other.onnx';
      },
      (copy: { encode: { macsPerPixel: number } }) => {
        copy.encode.macsPerPixel = -1;
      },
    ];
    for (const change of changes)
      expect(() => parseManifest(broken(change as never))).toThrow(/manifest cannot be used/);
  });
});
