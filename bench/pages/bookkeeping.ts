import { noTimes } from '../../src/engine/engine.js';
import { Meter } from '../../src/live/meter.js';
import { Governor } from '../../src/pipeline/governor.js';
import { noCounts } from '../../src/pipeline/upscaler.js';

/** What it costs to know how a stream does, in microseconds. */
export interface Bookkeeping {
  /** Counting a frame and asking the governor. */
  readonly frameUs: number;
  /** Summing up, and sending that to the page: four times a second. */
  readonly snapshotUs: number;
}

const FRAMES = 20_000;
const SNAPSHOTS = 2_000;

/** Measures statistics and governor without any picture. */
export function measureBookkeeping(): Bookkeeping {
  const meter = new Meter(0);
  const governor = new Governor({ budgetMs: 200, lookahead: 3, minFrameRate: 15 });
  governor.rehearsed('own', 20, 0);
  const size = { width: 160, height: 90 };
  const counts = noCounts();
  const report = { backend: 'wasm', description: 'CPU, 1 thread', model: 'mana-nano-x2', computedOverKept: 1 } as const;
  const more = {
    rehearsedMs: 20,
    leftOutMs: 0,
    waiting: 3,
    bytes: 1e6,
    timed: 'wall',
    counts,
    times: noTimes(),
  } as const;
  const start = performance.now();
  for (let i = 0; i < FRAMES; i++) {
    const nowMs = i * 33;
    meter.received(i * 33_000, size, nowMs);
    governor.arrived(nowMs);
    governor.worked(20, nowMs + 20);
    counts.framesEncoded++;
    meter.engine({ ...report, ...more });
    meter.delivered(i * 33_000, 'full', nowMs + 120);
  }
  const counted = performance.now();
  const present = { levelReason: governor.reason, lookahead: 3, queueLength: 4, engineRestarts: 0 };
  for (let i = 0; i < SNAPSHOTS; i++) structuredClone(meter.snapshot(FRAMES * 33 + i * 250, present));
  const summed = performance.now();
  return { frameUs: ((counted - start) / FRAMES) * 1000, snapshotUs: ((summed - counted) / SNAPSHOTS) * 1000 };
}
