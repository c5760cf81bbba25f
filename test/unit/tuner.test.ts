import { describe, expect, it } from 'vitest';
import { type Tuning, USUAL_TUNING } from '../../src/engine/native/conv.js';
import {
  type AdapterIdentity,
  CANDIDATES,
  rememberedTuning,
  rememberTuning,
  type TuningStore,
  tune,
  tuningKey,
  tuningText,
} from '../../src/engine/native/tuner.js';

const ADAPTER: AdapterIdentity = { vendor: 'acme', architecture: 'one', device: '0x1', description: 'Acme One' };
const tuning = (groups: number): Tuning => ({ pixels: 1, groups, workgroup: [8, 8] });
const [A, B, C] = [tuning(1), tuning(2), tuning(4)];

/** A GPU that takes these times, run by run, for the tuning with so many groups; no times: it refuses. */
class FakeGpu {
  readonly runs = new Map<number, number>();
  open = 0;

  constructor(readonly times: Record<number, readonly number[]>) {}

  prepare = async ({ groups }: Tuning) => {
    const times = this.times[groups];
    if (!times) throw new Error('refused');
    this.open++;
    return {
      run: async () => {
        const run = this.runs.get(groups) ?? 0;
        this.runs.set(groups, run + 1);
        const ms = times[run];
        if (ms === undefined) throw new Error('lost');
        return ms;
      },
      close: async () => {
        this.open--;
      },
    };
  };
}

class Memory implements TuningStore {
  readonly entries = new Map<string, string>();
  getItem = (key: string) => this.entries.get(key) ?? null;
  setItem = (key: string, value: string) => void this.entries.set(key, value);
}

describe('the list of candidates', () => {
  it('begins with what is usual, names none twice and runs on every adapter', () => {
    expect(CANDIDATES[0]).toEqual(USUAL_TUNING);
    expect(new Set(CANDIDATES.map(tuningText)).size).toBe(CANDIDATES.length);
    // The limit of compatibility mode; of others it is 256.
    for (const { workgroup } of CANDIDATES) expect(workgroup[0] * workgroup[1]).toBeLessThanOrEqual(128);
  });
});

describe('the search', () => {
  it('takes the least median: neither the first run, which compiles, nor the least time counts', async () => {
    const gpu = new FakeGpu({ 1: [90, 10, 30, 10], 2: [9, 7, 18, 18], 4: [500, 12, 9, 8] });
    const { best, tried } = await tune({ prepare: gpu.prepare, candidates: [A, B, C] });
    expect(tried.map(({ ms }) => ms)).toEqual([10, 18, 9]);
    expect(best).toBe(C);
    expect(gpu.open).toBe(0);
  });

  it('runs a hopeless candidate once only, and one that is merely slower to the end', async () => {
    const gpu = new FakeGpu({ 1: [1, 10, 10, 10], 2: [1, 21, 1, 1], 4: [1, 19, 19, 19] });
    const { best } = await tune({ prepare: gpu.prepare, candidates: [A, B, C] });
    expect(best).toBe(A);
    expect([...gpu.runs.values()]).toEqual([4, 2, 4]);
  });

  it('passes over candidates that are refused or lost, and closes what it opened', async () => {
    const gpu = new FakeGpu({ 2: [5, 5], 4: [5, 5, 5, 5] });
    const seen: unknown[] = [];
    const onTried = (one: { ms: number | undefined }, done: number, of: number) => seen.push([one.ms, done, of]);
    const { best } = await tune({ prepare: gpu.prepare, candidates: [A, B, C], onTried });
    expect(best).toBe(C);
    expect(seen).toEqual([
      [undefined, 1, 3],
      [undefined, 2, 3],
      [5, 3, 3],
    ]);
    expect(gpu.open).toBe(0);
  });

  it('says so when none runs', async () => {
    const gpu = new FakeGpu({});
    await expect(tune({ prepare: gpu.prepare, candidates: [A, B] })).rejects.toMatchObject({
      code: 'backend-unavailable',
      cause: expect.objectContaining({ message: 'refused' }),
    });
  });

  it('ends when told to', async () => {
    const gpu = new FakeGpu({ 1: [1, 1, 1, 1], 2: [1, 1, 1, 1] });
    const stop = new AbortController();
    const { signal } = stop;
    const search = tune({ prepare: gpu.prepare, candidates: [A, B], signal, onTried: () => stop.abort() });
    await expect(search).rejects.toMatchObject({ name: 'AbortError' });
    expect([...gpu.runs.keys()]).toEqual([1]);
  });
});

describe('what is remembered', () => {
  const [, found] = CANDIDATES as [Tuning, Tuning];

  it('is for one adapter and one precision', () => {
    const store = new Memory();
    expect(rememberedTuning(store, ADAPTER, 'f32')).toBeUndefined();
    rememberTuning(store, ADAPTER, 'f32', found);
    expect(rememberedTuning(store, { ...ADAPTER }, 'f32')).toEqual(found);
    expect(rememberedTuning(store, ADAPTER, 'f16')).toBeUndefined();
    for (const field of ['vendor', 'architecture', 'device', 'description']) {
      expect(rememberedTuning(store, { ...ADAPTER, [field]: 'other' }, 'f32')).toBeUndefined();
    }
    // Names that run into one another are not taken for each other.
    const [key] = [...store.entries.keys()];
    expect(key).not.toBe(tuningKey({ ...ADAPTER, vendor: 'acm', architecture: 'eone' }, 'f32'));
  });

  it.each(['', 'null', '{"pixels":1e9}', 'x'.repeat(1e6), tuningText({ ...USUAL_TUNING, groups: 1e9 })])(
    'is not used where it is no candidate: %.20s',
    (entry) => {
      const store = new Memory();
      store.setItem(tuningKey(ADAPTER, 'f32'), entry);
      expect(rememberedTuning(store, ADAPTER, 'f32')).toBeUndefined();
    },
  );

  it('is nothing where the store is forbidden', () => {
    const fail = () => {
      throw new Error('forbidden');
    };
    const store = { getItem: fail, setItem: fail };
    expect(() => rememberTuning(store, ADAPTER, 'f32', found)).not.toThrow();
    expect(rememberedTuning(store, ADAPTER, 'f32')).toBeUndefined();
  });
});
