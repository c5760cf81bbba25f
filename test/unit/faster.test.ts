import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backend, Engine, EngineStream, LoadedModel } from '../../src/engine/engine.js';
import { goldenTile } from '../../src/engine/verify.js';
import { UpscaleError } from '../../src/frame/errors.js';
import { Backends, describe as describeEngine } from '../../src/live/backends.js';
import { FasterChoice, parseFigures } from '../../src/live/faster.js';
import { probeMs } from '../../src/live/probe.js';
import type { StreamSettings } from '../../src/live/protocol.js';
import { checkBrowserOptions } from '../../src/media/options.js';
import { fetchOrRead } from '../../src/model/file-fetch.js';
import { ModelLoader } from '../../src/model/loader.js';
import { VirtualClock } from '../support/clock.js';

interface Frame {
  close(): void;
}

const MANIFEST = new URL('../../models/mana-nano-x2/manifest.json', import.meta.url).href;
const AUTO = checkBrowserOptions({ model: 'mana-nano-x2' });
const ORDER: readonly Backend[] = ['webgpu-native', 'webgpu', 'wasm'];

const loader = new ModelLoader({ fetch: fetchOrRead });
let model: LoadedModel;
/** What a worker leaves behind. */
let kept: Map<string, Uint8Array>;
/** The machine: what frames cost, in milliseconds, and what fails. */
let costs: Partial<Record<Backend, number>>;
let broken: Set<Backend>;
let wrong: Set<Backend>;
let here: boolean;
/** What a worker did. */
let started: Backend[];
let probed: Backend[];

beforeAll(async () => {
  model = await loader.load({ manifest: MANIFEST });
});

beforeEach(() => {
  kept = new Map();
  costs = { 'webgpu-native': 2, webgpu: 6.2 };
  broken = new Set();
  wrong = new Set();
  here = true;
  started = [];
  probed = [];
});

/** An engine that knows the right answers. */
function engineOf(backend: Backend, clock = new VirtualClock()): Engine<Frame, Frame> {
  const spend = async (ms: number): Promise<void> => clock.to(clock.now() + ms);
  let opened = 0;
  return {
    backend,
    half: false,
    lanes: 1,
    description: `the ${backend} engine`,
    maxTilePixels: () => Number.POSITIVE_INFINITY,
    open: async () => {
      // Compiles in its first frame that is fused.
      let compileMs = 500;
      opened++;
      return {
        pack: () => spend(0.5),
        encode: () => spend(1),
        fuse: async () => {
          await spend((costs[backend] ?? 0) - 1.5 + compileMs);
          compileMs = 0;
        },
        settled: () => spend(0),
        dispose: () => void opened--,
      } as unknown as EngineStream<Frame, Frame>;
    },
    runTile: async (asked) => goldenTile(asked).expected.map((value) => value + (wrong.has(backend) ? 1 : 0)),
    dispose: () => expect(opened).toBe(0),
  };
}

/** The choice of a worker that begins now. */
function worker(): FasterChoice<Frame> {
  const source = {
    candidates: ({ backend }: StreamSettings) => (backend === 'auto' ? ORDER : [backend]),
    start: async (backend: Backend) => {
      started.push(backend);
      if (broken.has(backend)) throw new UpscaleError('backend-unavailable', `No ${backend} here.`);
      return engineOf(backend);
    },
    locate: () => ({ manifest: MANIFEST }),
  };
  return new FasterChoice(new Backends(source, loader, () => undefined), {
    store: {
      get: async (name) => kept.get(name),
      put: async (name, bytes) => void kept.set(name, bytes),
      delete: async (name) => void kept.delete(name),
      list: async () => [],
    },
    name: async () => 'probe-here',
    atHand: async () => here,
    probe: async ({ engine }) => {
      probed.push(engine.backend);
      return costs[engine.backend] as number;
    },
  });
}

const text = async (choice: FasterChoice<Frame>, settings = AUTO): Promise<string> =>
  describeEngine(await choice.choose(settings));

describe('the faster one of two engines', () => {
  it('our kernels serve at once, and ONNX Runtime is not started, where it would have to be downloaded', async () => {
    here = false;
    expect(await text(worker())).toBe(
      'the webgpu-native engine, f32, not compared with ONNX Runtime, which is not loaded here',
    );
    expect({ started, probed, kept: kept.size }).toEqual({ started: ['webgpu-native'], probed: [], kept: 0 });
  });

  it('both are probed once, and the next worker knows', async () => {
    const choice = worker();
    const said = 'the webgpu-native engine, f32, 3.1 times as fast as ONNX Runtime here';
    expect(await Promise.all([text(choice), text(choice)])).toEqual([said, said]);
    expect(probed).toEqual(['webgpu-native', 'webgpu']);
    started = [];
    expect(await text(worker())).toBe(said);
    expect({ started, probed }).toEqual({ started: ['webgpu-native'], probed: ['webgpu-native', 'webgpu'] });
  });

  it('ONNX Runtime is taken where it is clearly faster, and comes first in the next worker', async () => {
    costs.webgpu = 1.6;
    const said = 'the webgpu engine, f32, 1.3 times as fast as our kernels here';
    expect(await text(worker())).toBe(said);
    started = [];
    expect(await text(worker())).toBe(said);
    expect(started).toEqual(['webgpu']);
    // Where it does not start any more, our kernels do, and nothing is said that is not so.
    broken.add('webgpu');
    const fallbacks: string[] = [];
    const { engine, why } = await worker().choose(AUTO, { fallback: (from, to) => void fallbacks.push(from, to) });
    expect([engine.backend, why, ...fallbacks]).toEqual(['webgpu-native', undefined, 'webgpu', 'webgpu-native']);
  });

  it('a lead that a probe may be wrong by is none', async () => {
    costs.webgpu = 1.9;
    expect(await text(worker())).toBe('the webgpu-native engine, f32, as fast as ONNX Runtime here');
  });

  it.each(['starts not', 'computes wrongly'])('a rival that %s is tried twice in all', async (how) => {
    (how === 'starts not' ? broken : wrong).add('webgpu');
    for (let i = 0; i < 4; i++)
      expect(await text(worker())).toMatch(/native engine, f32, ONNX Runtime failed in a probe/);
    expect(started.filter((backend) => backend === 'webgpu')).toHaveLength(2);
  });

  it('a rival that ends the worker is tried twice in all', async () => {
    const store = { native: 2, ort: null, tries: 2 };
    kept.set('probe-here', new TextEncoder().encode(JSON.stringify(store)));
    expect(await text(worker())).toMatch(/ONNX Runtime failed/);
    expect(started).toEqual(['webgpu-native']);
  });

  it('what our kernels cannot run falls to ONNX Runtime with the reason, and nothing is probed', async () => {
    broken.add('webgpu-native');
    const fallbacks: string[] = [];
    const { engine } = await worker().choose(AUTO, { fallback: (...told) => void fallbacks.push(told.join(' ')) });
    expect(engine.backend).toBe('webgpu');
    expect(fallbacks).toEqual(['webgpu-native webgpu No webgpu-native here.']);
    expect(probed).toEqual([]);
  });

  it('an engine that is asked for by name is taken without a probe', async () => {
    expect(await text(worker(), { ...AUTO, backend: 'webgpu' })).toBe('the webgpu engine, f32');
    expect(probed).toEqual([]);
  });
});

describe('a probe', () => {
  it('measures frames in the steady state, closes its picture and leaves no stream', async () => {
    const clock = new VirtualClock();
    const engine = engineOf('webgpu', clock);
    let closed = 0;
    const picture = (): Frame => ({ close: () => void closed++ });
    expect(await probeMs({ engine, model }, picture, () => clock.now())).toBeCloseTo(6.2);
    expect(closed).toBe(1);
    engine.dispose();
    // The rounds that were counted, the one that was not, and what fills the window.
    expect(clock.now()).toBeLessThan(500 + 5 * 4 * 6.2 + 7 * 1.5 + 1);
  });

  it('of a slow machine is over after one round', async () => {
    costs.webgpu = 400;
    const clock = new VirtualClock();
    expect(
      await probeMs(
        { engine: engineOf('webgpu', clock), model },
        () => ({ close: () => undefined }),
        () => clock.now(),
      ),
    ).toBeCloseTo(400);
    expect(clock.now()).toBeLessThan(500 + 8 * 400 + 20);
  });

  it.each([
    '',
    'null',
    '{}',
    '{"native":0,"ort":1,"tries":1}',
    '{"native":1,"ort":"x","tries":1}',
    '{"native":1,"ort":1}',
  ])('figures that are none are not believed: %s', (json) => expect(parseFigures(json)).toBeUndefined());
});
