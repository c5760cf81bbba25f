import type { StageTimes } from '../engine.js';
import type { GpuScope } from './device.js';

/** Where a stage's commands begin and end, for {@link StageTimer.between}. */
export interface Marks {
  readonly first: number;
  readonly last: number;
}

/**
 * Measures stages, by the GPU's clock or by the one on the wall: each method does something in one of the two only, so
 * that callers need not know which it is.
 */
export interface StageTimer {
  readonly timed: 'gpu' | 'wall';
  /** Records a stage's commands, between two marks of the GPU's clock. */
  record(encoder: GPUCommandEncoder, stage: keyof StageTimes, commands: () => void): Marks;
  /** All that was submitted after `before` and before `after` is a stage: commands that are not recorded by us. */
  between(stage: keyof StageTimes, before: Marks, after: Marks): void;
  /** Does a stage's work: measured by the wall, from here to when it has answered. */
  wait<T>(stage: keyof StageTimes, work: () => Promise<T>): Promise<T>;
  /** Reads what the GPU's clock has said since the last call; adds it up later. Nobody waits for that. */
  collect(): void;
}

/** @param marks that fit between two calls of {@link StageTimer.collect}; more are collected by themselves */
export function stageTimer(scope: GpuScope, times: StageTimes, marks: number, gpuClock: boolean): StageTimer {
  const able = gpuClock && scope.gpu.device.features.has('timestamp-query');
  return able ? new GpuTimer(scope, times, Math.min(MOST_MARKS, marks)) : new WallTimer(times);
}

/** WebGPU's limit to a set of queries. */
const MOST_MARKS = 4096;
const NOWHERE: Marks = { first: 0, last: 0 };

/** The time from call to answer, in which the GPU works behind our back. Also for those who ask for no times at all. */
export class WallTimer implements StageTimer {
  readonly timed = 'wall';

  constructor(readonly times: StageTimes) {}

  record(_encoder: GPUCommandEncoder, _stage: keyof StageTimes, commands: () => void): Marks {
    commands();
    return NOWHERE;
  }

  between(): void {}

  async wait<T>(stage: keyof StageTimes, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.times[stage] += performance.now() - start;
    }
  }

  collect(): void {}
}

/** A mark is a pass of this: a pass of nothing may be left out, and its time with it. */
const MARK = /* wgsl */ `
@compute @workgroup_size(1)
fn main() {}
`;

/** Buffers of figures on their way. When all are, the figures of a frame are given up: the next one's do as well. */
const READING = 3;

interface Span {
  readonly stage: keyof StageTimes;
  readonly first: number;
  readonly last: number;
}

/**
 * The GPU's own time. Every stage of ours is recorded between two marks, and ONNX Runtime's work, in whose passes no
 * clock can be put, lies between the last mark of what fed it and the first of what takes its answer: the queue keeps
 * the order.
 *
 * Browsers round the clock, Chromium to 0.1 ms. A short stage is then nought or a tenth in any one frame, and right in
 * the mean of many, because marks fall anywhere between two ticks.
 */
class GpuTimer implements StageTimer {
  readonly timed = 'gpu';
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #idle: GPUBuffer[];
  #spans: Span[] = [];
  #marks = 0;

  constructor(
    readonly scope: GpuScope,
    readonly times: StageTimes,
    readonly most: number,
  ) {
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.#queries = scope.queries(most);
    this.#resolved = scope.buffer('times', most * 8, QUERY_RESOLVE | COPY_SRC);
    this.#idle = Array.from({ length: READING }, () => scope.buffer('read times', most * 8, MAP_READ | COPY_DST));
  }

  record(encoder: GPUCommandEncoder, stage: keyof StageTimes, commands: () => void): Marks {
    if (this.#marks + 2 > this.most) this.collect();
    const first = this.#mark(encoder);
    commands();
    const last = this.#mark(encoder);
    this.#spans.push({ stage, first, last });
    return { first, last };
  }

  between(stage: keyof StageTimes, before: Marks, after: Marks): void {
    // Numbers fall where the set was read and begun anew in between. This run's time is then not known.
    if (after.first > before.last) this.#spans.push({ stage, first: before.last, last: after.first });
  }

  wait<T>(_stage: keyof StageTimes, work: () => Promise<T>): Promise<T> {
    return work();
  }

  collect(): void {
    const spans = this.#spans;
    const bytes = this.#marks * 8;
    this.#spans = [];
    this.#marks = 0;
    const staging = bytes > 0 ? this.#idle.pop() : undefined;
    if (!staging) return;
    this.scope.gpu.submit((encoder) => {
      encoder.resolveQuerySet(this.#queries, 0, bytes / 8, this.#resolved, 0);
      encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, bytes);
    });
    staging
      .mapAsync(GPUMapMode.READ, 0, bytes)
      .then(() => {
        this.#add(spans, new BigUint64Array(staging.getMappedRange(0, bytes)));
        staging.unmap();
        this.#idle.push(staging);
      })
      // The stream was disposed or the device lost: nobody asks any more.
      .catch(() => undefined);
  }

  #mark(encoder: GPUCommandEncoder): number {
    const index = this.#marks++;
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet: this.#queries, endOfPassWriteIndex: index },
    });
    pass.setPipeline(this.scope.gpu.pipeline('mark', MARK));
    pass.dispatchWorkgroups(1);
    pass.end();
    return index;
  }

  #add(spans: readonly Span[], nanoseconds: BigUint64Array): void {
    for (const { stage, first, last } of spans) {
      const from = nanoseconds[first] ?? 0n;
      const to = nanoseconds[last] ?? 0n;
      // A clock that was set back in between, or did not answer, says nothing.
      if (from > 0n && to > from) this.times[stage] += Number(to - from) / 1e6;
    }
  }
}
