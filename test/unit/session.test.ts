import { beforeEach, describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { UpscaleSession } from '../../src/pipeline/session.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { VirtualClock } from '../support/clock.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { photoFrame } from '../support/pictures.js';

const engine = wasmEngine();
let model: LoadedModel;
let clock: VirtualClock;
let out: PlanarFrame[];
let released: number;

function session(lookahead = 3, budgetMs = 200): UpscaleSession<PlanarFrame, PlanarFrame> {
  return new UpscaleSession({
    clock,
    budgetMs,
    failed: (thrown) => {
      throw thrown;
    },
    open: (size) => Upscaler.open(engine, model, { size, lookahead, emit: (frame) => out.push(frame) }),
  });
}

function push(to: UpscaleSession<PlanarFrame, PlanarFrame>, index: number, width = 32, height = 16): Promise<void> {
  const frame = photoFrame(width, height, index * 2, index, index * 40_000);
  const release = (): void => {
    released++;
  };
  return to.push({ frame, times: frame, size: { width, height }, arrivedMs: clock.now(), release });
}

const timestamps = (): number[] => out.map(({ timestampUs }) => timestampUs / 40_000);

beforeEach(async () => {
  model = await shippedModel('mana-nano-x2');
  clock = new VirtualClock();
  out = [];
  released = 0;
});

describe('UpscaleSession', () => {
  it.each([0, 1, 2, 3])(
    'n frames in, n out, timestamps unchanged, each encoded once, lookahead %i',
    async (lookahead) => {
      const stream = session(lookahead);
      for (let i = 0; i < 12; i++) {
        clock.to(i * 40);
        await push(stream, i);
        expect(out.length).toBe(Math.max(0, i + 1 - lookahead));
      }
      await stream.flush();
      expect(timestamps()).toEqual(Array.from({ length: 12 }, (_, i) => i));
      expect(stream.counts).toMatchObject({ framesEncoded: 12, framesFused: 12 });
      expect(released).toBe(12);
      stream.dispose();
    },
  );

  it('sends waiting centres off before their deadline when no frame comes', async () => {
    const stream = session();
    await push(stream, 0);
    clock.to(40);
    await push(stream, 1);
    clock.to(179);
    await settled();
    expect(timestamps()).toEqual([]);
    clock.to(180);
    await settled();
    expect(timestamps()).toEqual([0]);
    clock.to(220);
    await settled();
    expect(timestamps()).toEqual([0, 1]);
    expect(clock.pending).toBe(0);
    // The stream goes on where it stopped.
    for (let i = 2; i < 6; i++) await push(stream, i);
    expect(timestamps()).toEqual([0, 1, 2]);
    stream.dispose();
  });

  it('keeps the budget behind a network that never rests', async () => {
    const stream = session(3, 200);
    // Frames 120 ms apart, each handed over as soon as the one before is done: three of them are more than the budget.
    for (let i = 0; i < 6; i++) {
      clock.to(i * 120);
      await push(stream, i);
    }
    expect(timestamps()).toEqual([0, 1, 2, 3]);
    clock.to(5 * 120 + 79);
    expect(timestamps()).toEqual([0, 1, 2, 3]);
    clock.to(5 * 120 + 80);
    await settled();
    expect(timestamps()).toEqual([0, 1, 2, 3, 4]);
    stream.dispose();
  });

  it('changes size: all frames of the old size leave first', async () => {
    const stream = session();
    for (let i = 0; i < 4; i++) await push(stream, i);
    for (let i = 4; i < 8; i++) await push(stream, i, 24, 24);
    await stream.flush();
    expect(timestamps()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(out.map(({ width }) => width)).toEqual([64, 64, 64, 64, 48, 48, 48, 48]);
    expect(stream.counts.framesEncoded).toBe(8);
    stream.dispose();
    // What comes after is what a stream that begins there gives, to the pixel.
    const changed = out.slice(4).map(({ data }) => data);
    out = [];
    const fresh = session();
    for (let i = 4; i < 8; i++) await push(fresh, i, 24, 24);
    await fresh.flush();
    expect(out.map(({ data }) => data)).toEqual(changed);
    fresh.dispose();
  });

  it('releases the frames of calls that come after its end', async () => {
    const stream = session();
    await push(stream, 0);
    stream.dispose();
    await push(stream, 1);
    expect(released).toBe(2);
    expect(clock.pending).toBe(0);
    expect(out).toEqual([]);
  });
});

/** Until work that was started by a timer is done: inference in Node ends in later turns of the event loop. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}
