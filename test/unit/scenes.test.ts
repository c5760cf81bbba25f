import { beforeAll, describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { shippedModel, wasmEngine } from '../support/models.js';
import { hashOf, photoFrame } from '../support/pictures.js';

const engine = wasmEngine();
let model: LoadedModel;
const MS = 1000;

beforeAll(async () => {
  model = await shippedModel('mana-nano-x2');
});

interface Run {
  readonly out: PlanarFrame[];
  /** How many frames had left after each one that came. */
  readonly left: number[];
  readonly counts: Upscaler<PlanarFrame, PlanarFrame>['counts'];
}

/** @param fresh place of a frame that is told to begin a scene */
async function run(frames: readonly PlanarFrame[], lookahead: number, fresh = -1): Promise<Run> {
  const out: PlanarFrame[] = [];
  const left: number[] = [];
  const { width, height } = frames[0]!;
  const upscaler = await Upscaler.open(engine, model, {
    size: { width, height },
    lookahead,
    emit: (frame) => out.push(frame),
  });
  for (const [i, frame] of frames.entries()) {
    await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined, fresh: i === fresh });
    left.push(out.length);
  }
  await upscaler.flush();
  upscaler.dispose();
  return { out, left, counts: upscaler.counts };
}

/** A camera that pans, 25 frames a second. */
function pan(count: number, left: number, top: number, startUs = 0): PlanarFrame[] {
  return Array.from({ length: count }, (_, i) => photoFrame(96, 64, left + i * 3, top + i, startUs + i * 40 * MS));
}

const BEFORE = 6;
const AFTER = 9;

/** The pixels of both parts are those of streams of their own, and frames leave when they would have left anyway. */
async function expectTwoStreams(
  { out, left }: Run,
  before: readonly PlanarFrame[],
  after: readonly PlanarFrame[],
  lookahead: number,
): Promise<void> {
  const [first, second] = [await run(before, lookahead), await run(after, lookahead)];
  expect(out.map(({ data }) => hashOf(data))).toEqual([...first.out, ...second.out].map(({ data }) => hashOf(data)));
  expect(out.map(({ timestampUs }) => timestampUs)).toEqual(
    [...before, ...after].map(({ timestampUs }) => timestampUs),
  );
  expect(left).toEqual(left.map((_, i) => Math.max(0, i + 1 - lookahead)));
}

describe('what came before is not looked at', () => {
  it.each([0, 1, 2, 3])('after a scene cut, lookahead %i', async (lookahead) => {
    const [before, after] = [pan(BEFORE, 0, 340), pan(AFTER, 600, 120, BEFORE * 40 * MS)];
    const made = await run([...before, ...after], lookahead);
    expect(made.counts).toMatchObject({ cuts: 1, gaps: 0, framesEncoded: BEFORE + AFTER });
    await expectTwoStreams(made, before, after, lookahead);
  });

  it.each([
    ['after a gap in the timestamps', 6000, -1, 1],
    ['after a step back', -3000, -1, 1],
    ['when the caller says so', BEFORE * 40, BEFORE, 0],
  ])('%s', async (_, startMs, fresh, gaps) => {
    const [before, after] = [pan(BEFORE, 0, 340), pan(AFTER, 18, 346, startMs * MS)];
    const made = await run([...before, ...after], 3, fresh);
    expect(made.counts).toMatchObject({ cuts: 0, gaps });
    await expectTwoStreams(made, before, after, 3);
  });

  it('but within a scene it is', async () => {
    const [before, after] = [pan(BEFORE, 0, 340), pan(AFTER, 18, 346, BEFORE * 40 * MS)];
    const made = await run([...before, ...after], 3);
    expect(made.counts).toMatchObject({ cuts: 0, gaps: 0 });
    const alone = await run(after, 3);
    expect(hashOf(made.out[BEFORE]!.data)).not.toBe(hashOf(alone.out[0]!.data));
  });
});

it('scenes of single frames leave the ring in order', async () => {
  const frames = Array.from({ length: 8 }, (_, i) => photoFrame(96, 64, 100 * (i % 5), 300 + 20 * i, i * 2000 * MS));
  const { out, counts } = await run(frames, 3);
  expect(counts).toMatchObject({ gaps: 7, framesEncoded: 8 });
  for (const [i, frame] of frames.entries()) {
    const alone = await run([frame], 3);
    expect(hashOf(out[i]!.data)).toBe(hashOf(alone.out[0]!.data));
  }
});
