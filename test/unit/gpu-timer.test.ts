import { beforeEach, describe, expect, it, vi } from 'vitest';
import { noTimes, type StageTimes } from '../../src/engine/engine.js';
import type { GpuScope } from '../../src/engine/webgpu/device.js';
import { type StageTimer, stageTimer } from '../../src/engine/webgpu/timer.js';

/** A device that does nothing but keep time: every mark that is recorded takes the next of these, in nanoseconds. */
class Clock {
  ticks: bigint[] = [];
  /** Of the set of queries. */
  readonly #now: bigint[] = [];
  /** Reads under way, in order. */
  readonly reads: { answer(): void; fail(): void }[] = [];
  readonly #copies: bigint[][] = [];
  live = 0;

  readonly encoder = {
    beginComputePass: ({ timestampWrites }: GPUComputePassDescriptor) => {
      const index = timestampWrites?.endOfPassWriteIndex as number;
      return {
        setPipeline: () => undefined,
        dispatchWorkgroups: () => undefined,
        end: () => {
          this.#now[index] = this.ticks.shift() ?? 0n;
        },
      };
    },
    resolveQuerySet: (_: unknown, first: number, count: number) =>
      this.#copies.push(this.#now.slice(first, first + count)),
    copyBufferToBuffer: () => undefined,
  } as unknown as GPUCommandEncoder;

  scope(able = true): GpuScope {
    return {
      gpu: {
        device: { features: new Set(able ? ['timestamp-query'] : []) },
        submit: (record: (encoder: GPUCommandEncoder) => unknown) => record(this.encoder),
        pipeline: () => ({}),
      },
      queries: () => ({}),
      buffer: () => {
        this.live++;
        let mapped: bigint[] = [];
        return {
          mapAsync: () => {
            mapped = this.#copies.pop() as bigint[];
            return new Promise<void>((resolve, reject) =>
              this.reads.push({ answer: resolve, fail: () => reject(new Error('lost')) }),
            );
          },
          getMappedRange: () => BigUint64Array.from(mapped).buffer,
          unmap: () => undefined,
        };
      },
    } as unknown as GpuScope;
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
  vi.stubGlobal('GPUBufferUsage', { QUERY_RESOLVE: 1, COPY_SRC: 2, COPY_DST: 4, MAP_READ: 8 });
  vi.stubGlobal('GPUMapMode', { READ: 1 });
  return () => vi.unstubAllGlobals();
});

describe('the GPU’s clock', () => {
  let clock: Clock;
  let times: StageTimes;
  let timer: StageTimer;

  beforeEach(() => {
    clock = new Clock();
    times = noTimes();
    timer = stageTimer(clock.scope(), times, 8, true);
  });

  /** A graph between what feeds it and what takes its answer, at these milliseconds. */
  const graph = (...ms: [number, number, number, number]): void => {
    clock.ticks.push(...ms.map((each) => BigInt(each * 1e6)));
    const fed = timer.record(clock.encoder, 'gather', () => undefined);
    const kept = timer.record(clock.encoder, 'stitch', () => undefined);
    timer.between('fuse', fed, kept);
  };

  it('gives each stage the time between its marks, and a graph that between its neighbours’', async () => {
    graph(10, 11, 15, 17);
    graph(20, 21, 29, 30);
    expect(times).toEqual(noTimes());
    timer.collect();
    await settle();
    expect(times).toEqual(noTimes()); // on its way
    clock.reads[0]!.answer();
    await settle();
    expect(times).toEqual({ ...noTimes(), gather: 2, fuse: 12, stitch: 3 });
    expect(timer.timed).toBe('gpu');
  });

  it('counts stages between two ticks, clocks set back and marks without an answer as nothing', async () => {
    graph(10, 10, 10, 10);
    graph(10, 11, 9, 12);
    timer.collect();
    clock.reads[0]!.answer();
    await settle();
    expect(times).toEqual({ ...noTimes(), gather: 1, stitch: 3 });
    graph(0, 50, 51, 0);
    timer.collect();
    clock.reads[1]!.answer();
    await settle();
    expect(times).toEqual({ ...noTimes(), gather: 1, fuse: 1, stitch: 3 });
  });

  it('collects by itself when the set is full, and a graph on both sides of that is not measured', async () => {
    graph(10, 11, 12, 13);
    clock.ticks.push(20_000_000n, 21_000_000n);
    timer.record(clock.encoder, 'pack', () => undefined);
    graph(30, 31, 32, 33); // its answer is the ninth mark
    expect(clock.reads).toHaveLength(1);
    timer.collect();
    for (const read of clock.reads) read.answer();
    await settle();
    expect(times).toEqual({ ...noTimes(), gather: 2, fuse: 1, stitch: 2, pack: 1 });
  });

  it('gives figures up while all buffers are on their way, and makes no new ones', async () => {
    const buffers = clock.live;
    for (let i = 0; i < 5; i++) {
      graph(10, 11, 12, 13);
      timer.collect();
    }
    expect(clock.reads).toHaveLength(3);
    for (const read of clock.reads) read.answer();
    await settle();
    expect(times.gather).toBe(3);
    graph(10, 11, 12, 13);
    timer.collect();
    clock.reads[3]!.answer();
    await settle();
    expect(times.gather).toBe(4);
    expect(clock.live).toBe(buffers);
  });

  it('is silent when the device is lost', async () => {
    graph(10, 11, 12, 13);
    timer.collect();
    clock.reads[0]!.fail();
    await settle();
    expect(times).toEqual(noTimes());
  });
});

it.each([
  ['the adapter has none', false, true],
  ['it is not wanted', true, false],
])('without the GPU’s clock, because %s, calls are timed until they answer', async (_, able, wanted) => {
  const clock = new Clock();
  const times = noTimes();
  const timer = stageTimer(clock.scope(able), times, 8, wanted);
  const marks = timer.record(clock.encoder, 'gather', () => undefined);
  timer.between('fuse', marks, marks);
  timer.collect();
  expect(times).toEqual(noTimes());
  expect(await timer.wait('fuse', async () => settle().then(() => 7))).toBe(7);
  await expect(timer.wait('encode', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(times.fuse).toBeGreaterThan(0);
  expect(clock.reads).toEqual([]);
  expect(timer.timed).toBe('wall');
});
