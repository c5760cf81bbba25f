import { beforeAll, expect, it } from 'vitest';
import type { Backend, Engine, EngineStream, LoadedModel } from '../../src/engine/engine.js';
import { OrtCpuEngine } from '../../src/engine/ort/cpu.js';
import { UpscaleError } from '../../src/frame/errors.js';
import { Backends } from '../../src/live/backends.js';
import { fetchOrRead } from '../../src/model/file-fetch.js';
import { ModelLoader } from '../../src/model/loader.js';
import { SteadyNetwork, type UpscaledPicture } from '../../src/node/file/steady-network.js';
import { engineMemory, type MemoryFrame } from '../../src/node/memory-frame.js';
import { checkNodeOptions } from '../../src/node/options.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { largestDifference, photoFrame } from '../support/pictures.js';
import { networkAlone, windowOf } from '../support/reference.js';

const COUNT = 14;
const FRAMES = Array.from({ length: COUNT }, (_, i) => photoFrame(48, 32, 100 + 2 * i, 100 + i, i * 40_000));
const settings = checkNodeOptions({ model: 'mana-nano-x2', budgetMs: Number.POSITIVE_INFINITY });
let model: LoadedModel;
let expected: Uint8Array[];

beforeAll(async () => {
  model = await shippedModel('mana-nano-x2');
  expected = await networkAlone(
    model,
    FRAMES,
    FRAMES.map((_, i) => windowOf(i, COUNT, 3)),
  );
});

/** A real engine that loses its device after so many calls of a stream's, or at its end computes wrongly. */
function engine(backend: Backend, lasts: number): Engine<MemoryFrame, MemoryFrame> {
  const real = new OrtCpuEngine<MemoryFrame, MemoryFrame>(wasmEngine().runner, () => engineMemory);
  const open = real.open.bind(real);
  let left = lasts;
  return Object.assign(real, {
    backend,
    open: async (...args: Parameters<typeof open>): Promise<EngineStream<MemoryFrame, MemoryFrame>> => {
      const stream = await open(...args);
      const encode = stream.encode.bind(stream);
      return Object.assign(stream, {
        encode: (...slots: Parameters<typeof encode>) => {
          if (left-- <= 0) throw new UpscaleError('engine-failed', 'The device is lost.');
          return encode(...slots);
        },
      });
    },
  });
}

/** All pictures through the network on engines that last so long. */
async function through(lasts: readonly number[], segment = Number.POSITIVE_INFINITY) {
  const names = (['cuda', 'webgpu', 'cpu', 'wasm'] as const).slice(0, lasts.length);
  const told: string[] = [];
  const network = new SteadyNetwork({
    backends: new Backends<MemoryFrame>(
      {
        candidates: () => names,
        start: async (backend) => engine(backend, lasts[names.indexOf(backend as 'wasm')]!),
        locate: () => ({ manifest: new URL('../../models/mana-nano-x2/manifest.json', import.meta.url).href }),
      },
      new ModelLoader({ fetch: fetchOrRead }),
      () => undefined,
    ),
    settings,
    warmUp: 12,
    fallback: (from, to, reason) => told.push(`${from} ${to} ${reason}`),
  });
  const out: UpscaledPicture[] = [];
  const give = async (pictures: readonly UpscaledPicture[]): Promise<void> => {
    out.push(...pictures);
    if (network.isComplete) await network.begin(segment);
  };
  try {
    await network.start();
    await network.begin(segment);
    for (const [i, planar] of FRAMES.entries())
      await give(await network.push({ planar, pts: BigInt(i), duration: 1n }));
    while (network.owed > 0) await give(await network.flush());
  } finally {
    network.dispose();
  }
  return { out, told };
}

function compare(out: readonly UpscaledPicture[], tolerance: number): void {
  expect(out.map(({ source }) => Number(source.pts))).toEqual(FRAMES.map((_, i) => i));
  for (const [i, { planar }] of out.entries()) {
    expect(largestDifference(planar.data, expected[i]!), `frame ${i}`).toBeLessThanOrEqual(tolerance);
  }
}

it('each picture comes out once, in order, as the network alone makes it', async () => {
  const { out, told } = await through([1000]);
  compare(out, 1);
  expect(told).toEqual([]);
});

// The rehearsal is one call.
it.each([1, 2, 4, 5, 8, 14])('an engine that fails at its call %d costs no picture', async (lasts) => {
  const { out, told } = await through([lasts, 1000]);
  compare(out, 1);
  expect(told).toEqual(['cuda webgpu The device is lost.']);
});

it('engines that fail one after another cost none either, and each is told once', async () => {
  const { out, told } = await through([4, 6, 8, 1000]);
  compare(out, 1);
  expect(told).toEqual([
    'cuda webgpu The device is lost.',
    'webgpu cpu The device is lost.',
    'cpu wasm The device is lost.',
  ]);
});

it('when none is left, that is the error', async () => {
  await expect(through([4, 4])).rejects.toThrow('No backend is left to try.');
});

it('a network that begins anew every few pictures makes the same', async () => {
  for (const segment of [1, 2, 3, 5, 13, 14]) compare((await through([1000], segment)).out, 2);
  compare((await through([20, 1000], 5)).out, 2);
});
