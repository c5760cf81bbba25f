import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Rect } from '../../src/engine/engine.js';
import { Attention } from '../../src/engine/native/attention.js';
import { attentionCost } from '../../src/engine/native/attention-cost.js';
import { fuseWgsl } from '../../src/engine/native/attention-fuse.js';
import { keysWgsl } from '../../src/engine/native/attention-keys.js';
import { packEncode, packFuse } from '../../src/engine/native/attention-pack.js';
import { attentionPlan } from '../../src/engine/native/attention-plan.js';
import type { AttentionSettings } from '../../src/engine/native/attention-settings.js';
import { UniformTable } from '../../src/engine/native/attention-uniforms.js';
import type { AttentionWeights } from '../../src/engine/native/attention-weights.js';
import { toHalf } from '../../src/engine/native/half.js';
import type { GpuDevice, GpuScope } from '../../src/engine/webgpu/device.js';
import { FRAMES, randomPlane, randomSettings, randomWeights, worst } from '../support/attention-cases.js';
import { network, onnxAnswer } from '../support/attention-network.js';
import { attend, emptyPlane, keysValues, type Plane } from '../support/attention-reference.js';
import { filledBuffer, packedPlane, readBuffer, unpackedPlane } from '../support/native-planes.js';
import { checkingDevice, nodeGpu } from '../support/node-gpu.js';

const TOLERANCE = 1e-4;
const FIXTURES = ['attention-tiny', 'attention-pixel-tiny'];
const UNTOUCHED = 7654.5;

describe('the kernels', () => {
  let gpu: GpuDevice;
  beforeAll(async () => {
    gpu = await nodeGpu();
  });
  afterAll(() => {
    expect(gpu.liveResources).toBe(0);
    expect(gpu.fault).toBeUndefined();
    gpu.destroy();
  });

  async function scoped<T>(use: (scope: GpuScope) => Promise<T>): Promise<T> {
    const scope = gpu.scope();
    try {
      return await use(scope);
    } finally {
      scope.dispose();
    }
  }

  function inPass(record: (pass: GPUComputePassEncoder) => void): void {
    gpu.submit((encoder) => {
      const pass = encoder.beginComputePass();
      record(pass);
      pass.end();
    });
  }

  /** What slots of a ring hold. */
  async function slotsOf(scope: GpuScope, ring: GPUBuffer, channels: number, size: { width: number; height: number }) {
    const data = await readBuffer(scope, ring);
    const step = (size.width / 2) * (size.height / 2) * 4 * Math.ceil(channels / 4);
    return Array.from({ length: data.length / step }, (_, slot) =>
      unpackedPlane(data.subarray(slot * step, (slot + 1) * step), channels, size.width / 2, size.height / 2),
    );
  }

  /** Keys and values of all frames, then z of the fourth, by the kernels; and how far both are from the reference. */
  async function compare(
    settings: AttentionSettings,
    weights: AttentionWeights,
    feats: readonly Plane[],
    base?: Plane,
  ) {
    return scoped(async (scope) => {
      const { width, height, channels } = feats[3]!;
      const whole = { x: 0, y: 0, width, height };
      // Slots in another order than frames, and one more than are used.
      const slots = [4, 0, 6, 2, 7, 1, 5];
      const attention = new Attention(scope, settings, weights, { width, height }, 8, 'f32');
      const buffers = feats.map((feat) => filledBuffer(scope, 'feat', packedPlane(feat)));
      const z = filledBuffer(scope, 'z', packedPlane(emptyPlane(channels, width, height)));
      const before = base && filledBuffer(scope, 'base', packedPlane(base));
      inPass((pass) => {
        for (const [t, feat] of buffers.entries()) attention.recordEncode(pass, feat, slots[t]!, whole);
        attention.record(pass, buffers[3]!, slots, z, whole, before);
      });
      const own = feats.map((feat) => keysValues(settings, weights, feat));
      const keys = await slotsOf(scope, attention.rings.keys, settings.dim, whole);
      const values = await slotsOf(scope, attention.rings.values, settings.valueDim, whole);
      const attended = settings.attendFrames.map((frame) => own[frame]!);
      const made = unpackedPlane(await readBuffer(scope, z), channels, width, height);
      return {
        key: Math.max(...own.map(({ key }, t) => worst(key, keys[slots[t]!]!))),
        value: Math.max(...own.map(({ value }, t) => worst(value, values[slots[t]!]!))),
        z: worst(attend(settings, weights, feats[3]!, attended, base), made),
      };
    });
  }

  const expectEqual = (off: { key: number; value: number; z: number }) => {
    for (const difference of Object.values(off)) expect(difference).toBeLessThan(TOLERANCE);
  };
  const randomFrames = ({ channels }: AttentionSettings, width: number, height: number) =>
    FRAMES.map((t) => randomPlane(channels, width, height, t + 1));

  it.each(FIXTURES)('are right on the features of a photograph: %s', async (name) => {
    const net = await network(name);
    const { feats, base } = await onnxAnswer(net, 40, 24);
    const off = await compare(net.settings, net.weights, feats, base);
    expectEqual(off);
  });

  const sizes = [
    [8, 8, 1],
    [16, 8, 2],
    [8, 24, 2],
    [24, 16, 1],
    [40, 24, 2],
  ] as const;
  it.each(sizes)('are right at %ix%i, with borders on every side', async (width, height, queryPool) => {
    const settings = randomSettings({ queryPool, memory: 5 });
    expectEqual(await compare(settings, randomWeights(settings), randomFrames(settings, width, height)));
  });

  // A halo of 4 is that of all other tests.
  const halos = [
    [0, 1],
    [2, 2],
    [6, 1],
    [8, 2],
  ] as const;
  it.each(halos)('are right with a halo of %i and a query for %i pixels a side', async (halo, queryPool) => {
    const settings = randomSettings({ halo, queryPool, dim: 8, valueDim: 16, attendFrames: [1, 3, 6] });
    expectEqual(await compare(settings, randomWeights(settings), randomFrames(settings, 24, 16)));
  });

  it.each([1, 2, 5, 6])('are right with %i frames', async (count) => {
    const settings = randomSettings({ attendFrames: FRAMES.slice(7 - count), queryPool: count % 2 === 0 ? 1 : 2 });
    expectEqual(await compare(settings, randomWeights(settings), randomFrames(settings, 16, 16)));
  });

  it.each([
    [1, 2],
    [3, 1],
    [16, 2],
    [129, 1],
  ] as const)('are right with a memory of %i, a query for %i pixels a side', async (memory, queryPool) => {
    const settings = randomSettings({ attendFrames: [3], queryPool, memory });
    expectEqual(await compare(settings, randomWeights(settings), randomFrames(settings, 16, 8)));
  });

  it.each([
    { channels: 6, dim: 3, valueDim: 5, memory: 7 },
    { channels: 24, dim: 12, valueDim: 20, memory: 7 },
    { channels: 32, dim: 16, valueDim: 32, memory: 7, queryPool: 1 as const },
    { channels: 32, dim: 16, valueDim: 24, halo: 16 },
    { channels: 80, dim: 8, valueDim: 8, memory: 7 },
  ])('are right for widths %o', async (widths) => {
    const settings = randomSettings({ attendFrames: [0, 2, 5], ...widths });
    expectEqual(await compare(settings, randomWeights(settings), randomFrames(settings, 16, 16)));
  });

  it('work on rectangles of a plane, many in one pass, and touch nothing else', async () => {
    for (const queryPool of [1, 2] as const) {
      await scoped(async (scope) => {
        const settings = randomSettings({ queryPool, memory: 5 });
        const weights = randomWeights(settings);
        const size = { width: 40, height: 24 };
        const attention = new Attention(scope, settings, weights, size, 8, 'f32');
        const feats = randomFrames(settings, size.width, size.height);
        const buffers = feats.map((feat) => filledBuffer(scope, 'feat', packedPlane(feat)));
        const untouched = (buffer: GPUBuffer) =>
          gpu.queue.writeBuffer(buffer, 0, new Float32Array(buffer.size / 4).fill(UNTOUCHED));
        const { keys, values } = attention.rings;
        const own = feats.map((feat) => keysValues(settings, weights, feat));

        const rect = { x: 16, y: 8, width: 16, height: 8 };
        untouched(keys);
        untouched(values);
        inPass((pass) => attention.recordEncode(pass, buffers[2]!, 5, rect));
        for (const [ring, name] of [
          [keys, 'key'],
          [values, 'value'],
        ] as const) {
          const made = await slotsOf(scope, ring, name === 'key' ? settings.dim : settings.valueDim, size);
          for (const [slot, plane] of made.entries()) {
            for (const [i, number] of plane.data.entries()) {
              const [x, y] = [2 * (i % plane.width), 2 * (Math.floor(i / plane.width) % plane.height)];
              const inside = slot === 5 && x >= 16 && x < 32 && y >= 8 && y < 16;
              if (inside) expect(Math.abs(number - own[2]![name].data[i]!)).toBeLessThan(TOLERANCE);
              else if (number !== UNTOUCHED) expect.fail(`slot ${slot} was changed at ${x}, ${y}`);
            }
          }
        }

        const z = scope.buffer('z', buffers[0]!.size);
        untouched(z);
        const whole = { x: 0, y: 0, ...size };
        const corner = { x: 0, y: 16, width: 8, height: 8 };
        // The same frame twice, as at a stream's end.
        const other = [0, 1, 2, 3, 4, 4, 4];
        inPass((pass) => {
          for (const [slot, feat] of buffers.entries()) attention.recordEncode(pass, feat, slot, whole);
          attention.record(pass, buffers[3]!, FRAMES, z, rect);
          attention.record(pass, buffers[3]!, other, z, corner);
        });
        const made = unpackedPlane(await readBuffer(scope, z), settings.channels, size.width, size.height);
        const all = attend(settings, weights, feats[3]!, own);
        expect(worst(all, made, rect)).toBeLessThan(TOLERANCE);
        const ended = attend(
          settings,
          weights,
          feats[3]!,
          other.map((t) => own[t]!),
        );
        expect(worst(ended, made, corner)).toBeLessThan(TOLERANCE);
        expect(worst(all, ended)).toBeGreaterThan(0.05);
        const changed = made.data.filter((number) => number !== UNTOUCHED).length;
        expect(changed).toBe((16 * 8 + 8 * 8) * settings.channels);
      });
    }
  });

  it('copies a slot, and reads the copy as it would the original', async () => {
    await scoped(async (scope) => {
      const settings = randomSettings({});
      const size = { width: 16, height: 8 };
      const attention = new Attention(scope, settings, randomWeights(settings), size, 3, 'f32');
      const feat = filledBuffer(scope, 'feat', packedPlane(randomPlane(16, 16, 8, 3)));
      inPass((pass) => attention.recordEncode(pass, feat, 1, { x: 0, y: 0, ...size }));
      gpu.submit((encoder) => {
        attention.copy(encoder, 1, 2);
        attention.copy(encoder, 2, 2);
      });
      for (const ring of [attention.rings.keys, attention.rings.values]) {
        const [empty, original, copy] = await slotsOf(scope, ring, 8, size);
        expect(copy).toEqual(original);
        expect(Math.max(...original!.data)).toBeGreaterThan(0);
        expect(worst(empty!, emptyPlane(8, 8, 4))).toBe(0);
      }
    });
  });

  it('stays right over more windows than are kept, and makes nothing for those it knows', async () => {
    await scoped(async (scope) => {
      const settings = randomSettings({ attendFrames: [2, 4], memory: 3 });
      const weights = randomWeights(settings);
      const whole = { x: 0, y: 0, width: 8, height: 8 };
      const attention = new Attention(scope, settings, weights, whole, 20, 'f32');
      const feats = Array.from({ length: 20 }, (_, t) => randomPlane(16, 8, 8, t + 1));
      const buffers = feats.map((feat) => filledBuffer(scope, 'feat', packedPlane(feat)));
      const z = scope.buffer('z', buffers[0]!.size);
      inPass((pass) => {
        for (const [slot, feat] of buffers.entries()) attention.recordEncode(pass, feat, slot, whole);
      });
      const bytes = scope.bytes;
      for (let a = 0; a < 20; a++) {
        for (let b = 0; b < 20; b++) inPass((pass) => attention.record(pass, buffers[0]!, [0, 0, a, 0, b], z, whole));
      }
      inPass((pass) => attention.record(pass, buffers[0]!, [0, 0, 3, 0, 11], z, whole));
      expect(scope.bytes).toBe(bytes);
      const made = unpackedPlane(await readBuffer(scope, z), 16, 8, 8);
      const attended = [3, 11].map((t) => keysValues(settings, weights, feats[t]!));
      expect(worst(attend(settings, weights, feats[0]!, attended), made)).toBeLessThan(TOLERANCE);
    });
  });

  it('keeps the uniforms that were asked for last', async () => {
    await scoped(async (scope) => {
      const table = new UniformTable(scope, 'numbers', 16, 3);
      let made = 0;
      const at = (key: string) => table.offset(key, () => Uint32Array.of(++made));
      const [a, b, c] = ['a', 'b', 'c'].map(at);
      expect(new Set([a, b, c]).size).toBe(3);
      expect(at('a')).toBe(a);
      expect(at('d')).toBe(b);
      expect([at('a'), at('c')]).toEqual([a, c]);
      expect(made).toBe(4);
    });
  });

  it('refuses slots, rectangles and pictures that are not there', async () => {
    await scoped(async (scope) => {
      const settings = randomSettings({});
      const weights = randomWeights(settings);
      const size = { width: 16, height: 8 };
      const attention = new Attention(scope, settings, weights, size, 3, 'f32');
      const feat = filledBuffer(scope, 'feat', packedPlane(randomPlane(16, 16, 8, 3)));
      const at = (slot: number, rect: Rect) => () => inPass((pass) => attention.recordEncode(pass, feat, slot, rect));
      expect(at(3, { x: 0, y: 0, ...size })).toThrow('integers from 0 to 2, not 3');
      expect(at(0, { x: 4, y: 0, width: 8, height: 8 })).toThrow('grid of 8 pixels');
      expect(at(0, { x: 8, y: 0, width: 16, height: 8 })).toThrow('within the picture');
      expect(() => new Attention(scope, settings, weights, { width: 12, height: 8 }, 3, 'f32')).toThrow(
        'multiples of 8',
      );
      const wide = randomSettings({ dim: 64, valueDim: 64, queryPool: 1, halo: 32 });
      expect(() => attentionPlan(wide, 'f32')).toThrow('does not fit into workgroup memory');
    });
  });
});

describe('half precision', () => {
  it('compiles where the device has shader-f16, and is the same kernel', async () => {
    const device = await checkingDevice(['shader-f16']);
    for (const settings of [
      randomSettings({ memory: 16 }),
      randomSettings({ queryPool: 1, memory: 16 }),
      randomSettings({ queryPool: 1, dim: 16, valueDim: 32, attendFrames: [3], halo: 8 }),
    ]) {
      const weights = randomWeights(settings);
      const codes = [
        keysWgsl(settings, packEncode(settings, weights, 'f16').at, 'f16'),
        fuseWgsl(settings, attentionPlan(settings, 'f16'), packFuse(settings, weights, 'f16').at, 'f16'),
      ];
      for (const code of codes) {
        device.pushErrorScope('validation');
        const module = device.createShaderModule({ code });
        device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
        expect(await device.popErrorScope()).toBeNull();
        expect(code).toMatch(/^enable f16;/);
      }
      const same = fuseWgsl(settings, attentionPlan(settings, 'f16'), packFuse(settings, weights, 'f32').at, 'f32');
      expect(codes[1]!.replace('enable f16;\n', '').replaceAll('f16', 'f32')).toBe(same);
    }
    device.destroy();
  });

  it('rounds to nearest even', () => {
    const known: [number, number][] = [
      ...([
        [0, 0],
        [-0, 0x8000],
        [1, 0x3c00],
        [-2, 0xc000],
        [65504, 0x7bff],
        [1e6, 0x7bff],
      ] as [number, number][]),
      ...([
        [2 ** -14, 0x0400],
        [2 ** -24, 1],
        [2 ** -25, 0],
        [1 + 2 ** -11, 0x3c00],
      ] as [number, number][]),
      ...([
        [1 + 3 * 2 ** -11, 0x3c02],
        [2 - 2 ** -12, 0x4000],
        [0.1, 0x2e66],
        [65519, 0x7bff],
      ] as [number, number][]),
    ];
    for (const [value, bits] of known) expect(toHalf(Float32Array.of(value))[0]).toBe(bits);
  });
});

describe('the cost', () => {
  it('is that of what is allocated and dispatched', async () => {
    for (const precision of ['f32', 'f16'] as const) {
      for (const queryPool of [1, 2] as const) {
        const settings = randomSettings({ channels: 32, valueDim: 16, queryPool, memory: 64 });
        const weights = randomWeights(settings);
        const { encode, fuse } = attentionCost(settings, precision);
        expect(encode.weightBytes).toBe(packEncode(settings, weights, precision).data.byteLength);
        expect(fuse.weightBytes).toBe(packFuse(settings, weights, precision).data.byteLength);
        expect(attentionPlan(settings, precision).workgroupBytes).toBeLessThanOrEqual(16_384);
      }
    }
  });

  it('counts what a person counts', () => {
    // C 32, D 8, V 16, 7 frames, a query for 2x2 pixels, 8x8 keys.
    const { encode, fuse } = attentionCost(randomSettings({ channels: 32, valueDim: 16 }), 'f32');
    expect(encode.macs).toBe((4 * 32 * (8 + 16) + 8) / 4);
    expect(encode.bytesWritten).toBe(((8 + 16) * 4) / 4);
    expect(encode.idealBytes).toBe(32 * 4 + ((8 + 16) * 4) / 4);
    expect(fuse.macs).toBe((4 * 32 * 8 + 8 + 7 * 64 * (8 + 16) + 7 * 16 * 4 * 32) / 4);
    expect(fuse.bytesWritten).toBe(32 * 4);
    expect(fuse.idealBytes).toBe(2 * 32 * 4 + (7 * (8 + 16) * 4) / 4);
    const windows = 7 * 64 * (8 + 16) * 4;
    const matrices = (4 * 32 * 8 + 8 + 7 * 16 * 4 * 32 + 4 * 32) * 4;
    expect(fuse.bytesRead).toBe(32 * 4 + (windows + matrices) / 64);
  });
});
