import { describe, expect, it } from 'vitest';
import { type Tuning, USUAL_TUNING } from '../../src/engine/native/conv.js';
import { tune } from '../../src/engine/native/tuner.js';
import {
  type AdapterIdentity,
  CANDIDATES,
  rememberedTuning,
  rememberTuning,
  tuningKey,
  tuningText,
} from '../../src/engine/native/tunings.js';

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

class Memory {
  readonly entries = new Map<string, Uint8Array>();
  get = async (name: string, most: number) => {
    const bytes = this.entries.get(name);
    return bytes && bytes.length <= most ? bytes : undefined;
  };
  put = async (name: string, bytes: Uint8Array) => void this.entries.set(name, bytes);
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

  it('stays with the usual one where another is faster by no more than runs scatter', async () => {
    const gpu = new FakeGpu({ 1: [9, 100, 100, 100], 2: [9, 96, 96, 96], 4: [9, 97, 97, 97] });
    expect((await tune({ prepare: gpu.prepare, candidates: [A, B, C] })).best).toBe(A);
    const other = new FakeGpu({ 1: [9, 100, 100, 100], 2: [9, 94, 94, 94], 4: [9, 93, 93, 93] });
    expect((await tune({ prepare: other.prepare, candidates: [A, B, C] })).best).toBe(C);
    // Which one is usual is the first one's place in the list, also where it does not run.
    const without = new FakeGpu({ 2: [9, 96, 96, 96], 4: [9, 95, 95, 95] });
    expect((await tune({ prepare: without.prepare, candidates: [A, B, C] })).best).toBe(C);
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

  it('is for one adapter and one precision', async () => {
    const store = new Memory();
    expect(await rememberedTuning(store, ADAPTER, 'f32')).toBeUndefined();
    await rememberTuning(store, ADAPTER, 'f32', found);
    expect(await rememberedTuning(store, { ...ADAPTER }, 'f32')).toEqual(found);
    expect(await rememberedTuning(store, ADAPTER, 'f16')).toBeUndefined();
    for (const field of ['vendor', 'architecture', 'device', 'description']) {
      expect(await rememberedTuning(store, { ...ADAPTER, [field]: 'other' }, 'f32')).toBeUndefined();
    }
    // Names that run into one another are not taken for each other.
    const [key] = [...store.entries.keys()];
    expect(key).not.toBe(tuningKey({ ...ADAPTER, vendor: 'acm', architecture: 'eone' }, 'f32'));
  });

  it.each(['', 'null', '{"pixels":1e9}', 'x'.repeat(1e6), tuningText({ ...USUAL_TUNING, groups: 1e9 })])(
    'is not used where it is no candidate: %.20s',
    async (entry) => {
      const store = new Memory();
      await store.put(tuningKey(ADAPTER, 'f32'), new TextEncoder().encode(entry));
      expect(await rememberedTuning(store, ADAPTER, 'f32')).toBeUndefined();
    },
  );

  it('is nothing where the store is forbidden', async () => {
    const fail = () => Promise.reject(new Error('forbidden'));
    await rememberTuning({ put: fail }, ADAPTER, 'f32', found);
    expect(await rememberedTuning({ get: fail }, ADAPTER, 'f32')).toBeUndefined();
  });
});
