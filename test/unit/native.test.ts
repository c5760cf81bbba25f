import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { LoadedModel, StreamShape } from '../../src/engine/engine.js';
import { noTimes, wholePlan } from '../../src/engine/engine.js';
import { type ConvSpec, type Tuning, USUAL_TUNING } from '../../src/engine/native/conv.js';
import { ConvKernel } from '../../src/engine/native/conv-kernel.js';
import { nativeCost } from '../../src/engine/native/cost.js';
import type { Initialisers } from '../../src/engine/native/initialisers.js';
import type { NativeNetwork } from '../../src/engine/native/network.js';
import { createNativeEngine, NativeNetworks } from '../../src/engine/native/webgpu.js';
import { verify } from '../../src/engine/verify.js';
import type { GpuDevice } from '../../src/engine/webgpu/device.js';
import type { WebGpuEngine } from '../../src/engine/webgpu/engine.js';
import { WallTimer } from '../../src/engine/webgpu/timer.js';
import { packRgb } from '../../src/frame/colour.js';
import type { Size } from '../../src/frame/frame.js';
import { SHIPPED_MODELS } from '../../src/model/registry.js';
import { planStream } from '../../src/pipeline/tiles.js';
import { convolve } from '../support/conv-reference.js';
import { fixtureModel } from '../support/fixtures.js';
import { planarMemory, shippedModel, wasmEngine } from '../support/models.js';
import { nodeAdapter } from '../support/node-gpu.js';
import { photoFrame } from '../support/pictures.js';
import { random } from '../support/rtp.js';

let engine: WebGpuEngine;
let gpu: GpuDevice;

beforeAll(async () => {
  engine = await createNativeEngine({ adapter: await nodeAdapter(), textures: false, gpuTimes: false });
  // The engine's own device: what it has compiled is not compiled again.
  gpu = engine.gpu;
});
afterAll(async () => {
  expect(gpu.fault).toBeUndefined();
  await engine.disposed();
  expect(gpu.liveResources).toBe(0);
});

/** Frames of a pan over a photograph with much detail, `[frames, 3, height, width]`. */
function pan({ width, height }: Size, count: number): Float32Array {
  const length = 3 * width * height;
  const frames = new Float32Array(count * length);
  for (let i = 0; i < count; i++) {
    packRgb(
      photoFrame(width, height, 100 + 2 * i, 150 + i),
      frames.subarray(i * length, (i + 1) * length),
      width,
      height,
    );
  }
  return frames;
}

describe.each(SHIPPED_MODELS)('%s', (name) => {
  it('answers its golden tile', async () => {
    expect(await verify(engine, await shippedModel(name))).toBeLessThan(1e-4);
  });
});

describe.each(['attention-tiny', 'attention-pixel-tiny', 'recurrent-tiny'])('%s', (name) => {
  it('answers its golden tile', async () => {
    expect(await verify(engine, await fixtureModel(name))).toBeLessThan(1e-4);
  });
});

describe('a model that our kernels cannot make anything of', () => {
  const size = { width: 24, height: 16 };
  const plan = wholePlan(size);
  const open = (model: LoadedModel) => engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });

  it.each<[string, (model: LoadedModel) => LoadedModel]>([
    ['other settings', ({ manifest, files }) => ({ files, manifest: { ...manifest, settings: { dim: 999 } } })],
    ['another family', ({ manifest, files }) => ({ files, manifest: { ...manifest, family: 'mana' } })],
    [
      'a graph that is none',
      ({ manifest, files }) => ({
        manifest,
        files: new Map([...files, ['encode.onnx', new Uint8Array(99).fill(255)]]),
      }),
    ],
    [
      'the weights of another',
      ({ manifest, files }) => ({ manifest, files: new Map([...files, ['fuse.onnx', files.get('encode.onnx')!]]) }),
    ],
  ])('%s: is left to the next backend, and nothing of it is kept', async (_, spoil) => {
    const before = engine.liveResources;
    const model = spoil(await shippedModel('mana-nano-x2'));
    await expect(open(model)).rejects.toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringMatching(/^Our kernels do not run the network mana-nano-x2: .+\.$/),
    });
    expect(engine.liveResources).toBe(before);
  });

  it('streams of one model that are opened at once share its weights, and give them back', async () => {
    const before = engine.liveResources;
    // Its own object: nobody has opened this one.
    const model = { ...(await shippedModel('mana-nano-x2')) };
    const streams = await Promise.all([open(model), open(model)]);
    const both = engine.liveResources - before;
    await streams[0]!.disposed();
    const one = engine.liveResources - before;
    // A stream's own is the same for each; what is left beyond it are the weights, once.
    expect(both - one).toBeLessThan(one);
    await streams[1]!.disposed();
    expect(engine.liveResources).toBe(before);
    const again = await open(model);
    expect(engine.liveResources - before).toBe(one);
    await again.disposed();
  });
});

describe.each(['mana-nano-x2', 'mana-live-x2'])('%s on real pictures', (name) => {
  it.each([
    [8, 8],
    [16, 24],
    [40, 16],
  ])('%i x %i is what ONNX Runtime makes of it in WASM, within 2e-3', async (width, height) => {
    const model = await shippedModel(name);
    const frames = pan({ width, height }, 7);
    const expected = await wasmEngine().runTile(model, frames, { width, height });
    const answer = await engine.runTile(model, frames, { width, height });
    const worst = answer.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
    expect(answer.length).toBe(expected.length);
    expect(worst).toBeLessThan(2e-3);
  });
});

describe('the cost model', () => {
  it.each(['mana-nano-x2', 'mana-live-x4'])(
    '%s: what its kernels are given is as large as the model says',
    async (name) => {
      const model = await shippedModel(name);
      const size = { width: 16, height: 8 };
      const native = await NativeStream.open(model, {
        size,
        ...planStream(model.manifest, size, { encode: 1e6, fuse: 1e6 }),
        slots: 7,
      });
      const { kernels, settings } = native.network;
      const used = [kernels.first, ...kernels.encode.flat(), kernels.neighbours, ...kernels.decode.flat(), kernels.up];
      const binds = used.flatMap((kernel) => (kernel ? [vi.spyOn(kernel, 'bind')] : []));
      await native.encode(photoFrame(size.width, size.height), 0, undefined);
      await native.picture([0, 0, 0, 0, 0, 0, 0]);
      const bytes = binds.map(({ mock }) => {
        const [resources = []] = mock.calls[0]!;
        const sizes = resources.map((one) => ('size' in one ? one.size : 4 * (one as GPUTexture).width * one.height));
        return sizes.reduce((sum, one) => sum + one, 0);
      });
      expect(bytes.every((one) => one > 0)).toBe(true);
      const perPixel = bytes.reduce((sum, one) => sum + one, 0) / (size.width * size.height);
      expect(perPixel).toBe(nativeCost(settings, 'f32', USUAL_TUNING).idealBytes);
      await native.close();
    },
  );
});

describe('tiles of an odd size', () => {
  const size = { width: 89, height: 51 };

  it.each([
    ['one tile', 1e6],
    ['tiles', 56 * 56],
  ])('%s: every window of a stream gives the pixels of WASM', async (_, most) => {
    const model = await shippedModel('mana-nano-x2');
    const plans = planStream(model.manifest, size, { encode: most, fuse: most });
    expect(plans.fuse.tiles.length > 1).toBe(most < 1e6);
    const shape: StreamShape = { size, ...plans, slots: 8 };
    const native = await NativeStream.open(model, shape);
    const wasm = await wasmEngine().open(model, shape);
    const frames = Array.from({ length: 8 }, (_, i) => photoFrame(size.width, size.height, 100 + 2 * i, 150 + i, i));
    for (const [i, frame] of frames.entries()) {
      const previous = i > 0 ? i - 1 : undefined;
      await wasm.pack(planarMemory.read(frame) as typeof frame, i);
      await wasm.encode(i, previous);
      await native.encode(frame, i, previous);
    }
    // Every lookahead, and the beginning of a stream: frames that are not there are copies.
    for (const window of [
      [0, 0, 0, 0, 1, 2, 3],
      [1, 2, 3, 4, 5, 6, 7],
      [1, 2, 3, 4, 5, 6, 6],
      [1, 2, 3, 4, 5, 5, 5],
      [1, 2, 3, 4, 4, 4, 4],
    ]) {
      for (const tile of plans.fuse.tiles) await wasm.fuse(window, tile);
      const expected = (await wasm.output({ timestampUs: 0 })).data;
      const picture = await native.picture(window);
      let off = 0;
      let worst = 0;
      for (let i = 0; i < expected.length; i++) {
        if (i % 4 === 3) continue;
        const difference = Math.abs(picture[i]! - expected[i]!);
        if (difference > 1) off++;
        worst = Math.max(worst, difference);
      }
      expect([off, worst <= 1], `window ${window}`).toEqual([0, true]);
    }
    wasm.dispose();
    await native.close();
  });
});

/** A network of our kernels without what surrounds it. */
class NativeStream {
  private constructor(
    readonly network: NativeNetwork,
    readonly shape: StreamShape,
    readonly output: Size,
    readonly close: () => Promise<void>,
  ) {}

  static async open(model: LoadedModel, shape: StreamShape): Promise<NativeStream> {
    const lease = await new NativeNetworks(gpu).lease(model, shape);
    const scope = gpu.scope();
    const { scale } = model.manifest;
    const output = { width: shape.size.width * scale, height: shape.size.height * scale };
    const network = lease.make({
      scope,
      timer: new WallTimer(noTimes()),
      model,
      shape,
      output,
      submit: async (_, commands) => {
        gpu.submit(commands);
        return { first: 0, last: 0 };
      },
    });
    return new NativeStream(network as NativeNetwork, shape, output, async () => {
      scope.dispose();
      await lease.release();
    });
  }

  async encode(frame: ReturnType<typeof photoFrame>, slot: number, previous: number | undefined): Promise<void> {
    const { width, height } = this.shape.encode.picture;
    const packed = new Float32Array(3 * width * height);
    packRgb(frame, packed, width, height);
    gpu.queue.writeBuffer(this.network.frames[slot]!, 0, packed);
    await this.network.encode(slot, previous);
  }

  async picture(window: readonly number[]): Promise<Uint8Array> {
    for (const tile of this.shape.fuse.tiles) await this.network.fuse(window, tile);
    const { width, height } = this.output;
    const stride = Math.ceil((width * 4) / 256) * 256;
    const scope = gpu.scope();
    const staging = scope.buffer('read', stride * height, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    gpu.submit((encoder) => {
      encoder.copyTextureToBuffer(
        { texture: this.network.picture.network },
        { buffer: staging, bytesPerRow: stride },
        { width, height },
      );
    });
    await staging.mapAsync(GPUMapMode.READ);
    const rows = new Uint8Array(staging.getMappedRange());
    const pixels = new Uint8Array(width * height * 4);
    for (let y = 0; y < height; y++) {
      pixels.set(rows.subarray(y * stride, y * stride + width * 4), y * width * 4);
    }
    staging.unmap();
    scope.dispose();
    return pixels;
  }
}

describe('a convolution', () => {
  const next = random(11);
  const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => next() * 2 - 1);
  const layers = (out: number, inputs: readonly number[]): [Initialisers, string[]] => [
    new Map(
      inputs.flatMap((count, i) => [
        [`${i}.weight`, { dims: [out, count, 3, 3], data: numbers(out * count * 9) }],
        [`${i}.bias`, { dims: [out], data: numbers(out) }],
      ]),
    ),
    inputs.map((_, i) => `${i}`),
  ];
  const TUNINGS: Tuning[] = [
    { pixels: 1, groups: 1, workgroup: [8, 8] },
    { pixels: 2, groups: 8, workgroup: [16, 4] },
    { pixels: 4, groups: 3, workgroup: [8, 8] },
  ];

  it.each([
    ['of one plane', [16], 16, 'relu', false],
    ['of three planes, added to another', [8, 8, 8], 32, 'none', true],
    ['of a picture and a plane', ['rgb', 12], 12, 'leaky-relu', false],
  ] as const)(
    '%s, on a rectangle: it alone is written, and what it reads ends at the picture’s edge',
    async (...of) => {
      const [label, inputs, out, activation, residual] = of;
      const [width, height] = [21, 13];
      const spec: ConvSpec = { label, inputs, out, activation, residual, to: 'plane' };
      const channels = inputs.map((one) => (one === 'rgb' ? 3 : one));
      // A picture has a layer of its own, planes of one kind share theirs.
      const sum = channels.reduce((total, count) => total + count, 0);
      const [weights, names] = layers(out, inputs[0] === 'rgb' ? channels : [sum]);
      const planes = channels.map((count) => ({ channels: count, data: numbers(width * height * count) }));
      const added = residual ? numbers(width * height * out) : undefined;
      const expected = convolve(spec, weights, names, { width, height, inputs: planes, ...(added ? { added } : {}) });
      for (const tuning of TUNINGS) {
        const scope = gpu.scope();
        const upload = (data: Float32Array<ArrayBuffer>): GPUBuffer => {
          const buffer = scope.buffer('numbers', data.byteLength);
          gpu.queue.writeBuffer(buffer, 0, data);
          return buffer;
        };
        const kernel = new ConvKernel(scope, spec, tuning, 'f32', weights, names);
        for (const rect of [
          { x: 0, y: 0, width, height },
          { x: 3, y: 2, width: 7, height: 5 },
        ]) {
          const params = Uint32Array.of(rect.x, rect.y, rect.width, rect.height, width, height, 0, 0);
          const result = upload(new Float32Array(width * height * out).fill(7));
          const resources = planes.map(({ channels, data }, i) =>
            upload(inputs[i] === 'rgb' ? planar(data, channels) : Float32Array.from(data)),
          );
          const bound = kernel.bind([...resources, ...(added ? [upload(Float32Array.from(added))] : []), result]);
          gpu.submit((encoder) => {
            const pass = encoder.beginComputePass();
            kernel.record(pass, kernel.place(scope.constants('rectangle', params)), bound, rect);
            pass.end();
          });
          const answer = await read(result, width * height * out);
          for (let i = 0; i < answer.length; i++) {
            const [x, y] = [Math.floor(i / out) % width, Math.floor(i / out / width)];
            const inside = x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
            if (inside) expect(Math.abs(answer[i]! - expected[i]!)).toBeLessThan(1e-4);
            else if (answer[i] !== 7) expect.fail(`Pixel ${x}, ${y} outside the rectangle was written.`);
          }
        }
        scope.dispose();
      }
    },
  );

  function planar(data: Float32Array, channels: number): Float32Array<ArrayBuffer> {
    const area = data.length / channels;
    return Float32Array.from(data, (_, i) => data[(i % area) * channels + Math.floor(i / area)]!);
  }

  async function read(buffer: GPUBuffer, length: number): Promise<Float32Array> {
    const scope = gpu.scope();
    const staging = scope.buffer('read', length * 4, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    gpu.submit((encoder) => encoder.copyBufferToBuffer(buffer, 0, staging, 0, length * 4));
    await staging.mapAsync(GPUMapMode.READ);
    const numbers = new Float32Array(staging.getMappedRange()).slice(0, length);
    scope.dispose();
    return numbers;
  }
});
