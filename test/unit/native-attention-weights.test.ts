import { describe, expect, it } from 'vitest';
import { leastSquares } from '../../src/engine/native/attention-least-squares.js';
import { attentionSettings } from '../../src/engine/native/attention-settings.js';
import { attentionWeights } from '../../src/engine/native/attention-weights.js';
import { verify } from '../../src/engine/verify.js';
import { randoms, worst } from '../support/attention-cases.js';
import { network, onnxAnswer } from '../support/attention-network.js';
import { attend, keysValues } from '../support/attention-reference.js';
import { fixtureModel } from '../support/fixtures.js';
import { wasmEngine } from '../support/models.js';

const TOLERANCE = 1e-4;
const FIXTURES = ['attention-tiny', 'attention-pixel-tiny'];

describe('the reference', () => {
  it.each(FIXTURES)('follows a model that answers its golden tile: %s', async (name) => {
    expect(await verify(wasmEngine(), await fixtureModel(name))).toBeLessThan(1e-4);
  });

  it.each(FIXTURES)('recovers the weights of %s and makes what ONNX Runtime makes', async (name) => {
    const net = await network(name);
    const { settings, weights } = net;
    expect(Array.from(weights.tau)).toEqual(settings.attendFrames.map((_, t) => 8 + t));
    for (const [t, std] of weights.std.entries()) expect(std).toBeCloseTo(1.4 + 0.25 * t, 5);
    for (const [width, height] of [
      [24, 16],
      [40, 24],
    ] as const) {
      const { feats, planes, base, z } = await onnxAnswer(net, width, height);
      const own = feats.map((feat) => keysValues(settings, weights, feat));
      for (const [t, { key, value }] of own.entries()) {
        expect(worst(key, planes[t]!.key)).toBeLessThan(TOLERANCE);
        expect(worst(value, planes[t]!.value)).toBeLessThan(TOLERANCE);
      }
      const attended = settings.attendFrames.map((frame) => planes[frame]!);
      expect(worst(attend(settings, weights, feats[3]!, attended, base), z)).toBeLessThan(TOLERANCE);
      // And attention does something here.
      expect(worst(base, z)).toBeGreaterThan(0.3);
    }
  });

  it('refuses constants that are missing, of another shape or not those of a memory', async () => {
    const { settings, initialisers } = await network('attention-tiny');
    const without = (name: string, change?: { dims: number[]; data: Float32Array }) => {
      const changed = new Map(initialisers);
      changed.delete(name);
      if (change) changed.set(name, change);
      return () => attentionWeights(settings, changed);
    };
    expect(without('attn.k.weight')).toThrow('its graphs have no constant attn.k.weight');
    expect(without('attn.wz', { dims: [1], data: new Float32Array(1) })).toThrow('attn.wz is [1] instead of [56,64]');
    const values = initialisers.get('memory.values')!;
    const noise = { dims: [...values.dims], data: Float32Array.from(values.data, (_, i) => Math.sin(i * i)) };
    expect(without('memory.values', noise)).toThrow('memory.values does not follow from memory.keys');
    const bias = initialisers.get('bias.3')!;
    expect(without('bias.3', { dims: [...bias.dims], data: new Float32Array(bias.data.length) })).toThrow(
      'no Gaussian',
    );
    const key = initialisers.get('attn.k.bias')!;
    expect(without('attn.k.bias', { dims: [...key.dims], data: key.data.map(() => Number.NaN) })).toThrow('not finite');
  });

  it.each([3, 9, 40])('finds a memory of %i entries behind its projected values, where entries repeat too', (rows) => {
    const random = randoms(rows);
    const known = new Float64Array(rows * 9).map((_, i) => (i % 9 === 8 ? 1 : 3 * random()));
    if (rows > 9) known.copyWithin(9, 0, 9);
    const matrix = Array.from({ length: 9 * 20 }, random);
    const wanted = Float32Array.from({ length: rows * 20 }, (_, i) => {
      const row = Math.floor(i / 20);
      return known
        .subarray(row * 9, row * 9 + 9)
        .reduce((sum, value, k) => sum + value * matrix[k * 20 + (i % 20)]!, 0);
    });
    const { solution, residual } = leastSquares(known, wanted, 9);
    expect(residual).toBeLessThan(1e-5);
    if (rows === 40) expect(Math.max(...solution.map((value, i) => Math.abs(value - matrix[i]!)))).toBeLessThan(1e-5);
    wanted[0]! += 5;
    if (rows === 40) expect(leastSquares(known, wanted, 9).residual).toBeGreaterThan(1);
  });

  it('reads settings, and refuses those it cannot run', () => {
    const settings = {
      ...{ channels: 16, dim: 8, value_dim: 8, attend_frames: [1, 3], query_pool: 2, halo: 4, memory: 0 },
    };
    expect(attentionSettings(settings)).toMatchObject({ valueDim: 8, attendFrames: [1, 3], queryPool: 2 });
    expect(attentionSettings({ ...settings, dim: 0 })).toBeUndefined();
    expect(attentionSettings({})).toBeUndefined();
    expect(() => attentionSettings({ ...settings, halo: 3 })).toThrow('halo must be even');
    expect(() => attentionSettings({ ...settings, query_pool: 4 })).toThrow(
      'query_pool must be an integer from 1 to 2',
    );
    expect(() => attentionSettings({ ...settings, attend_frames: [7] })).toThrow('integers from 0 to 6');
    expect(() => attentionSettings({ ...settings, attend_frames: [] })).toThrow('a list of 1 to 7 frames');
  });
});
