import type { LoadedModel } from '../../src/engine/engine.js';
import { Attention } from '../../src/engine/native/attention.js';
import { attentionCost } from '../../src/engine/native/attention-cost.js';
import { type AttentionSettings, attentionSettings, BLOCK } from '../../src/engine/native/attention-settings.js';
import { attentionWeights } from '../../src/engine/native/attention-weights.js';
import { type Initialisers, readInitialisers } from '../../src/engine/native/initialisers.js';
import type { OrtRuntime } from '../../src/engine/ort/runtime.js';
import { GpuDevice } from '../../src/engine/webgpu/device.js';
import { type PortShapes, TileGraph } from '../../src/engine/webgpu/graph.js';
import { ReadBack } from '../../src/engine/webgpu/read-back.js';
import type { Size } from '../../src/frame/frame.js';
import type { Case, Outcome, Ring } from './contest.js';
import { inTurns, repeats } from './rounds.js';

/** The attention of a network, cut out of its fuse graph: features of the centre, keys and values in, `z` out. */
export const ATTENTION_GRAPH = 'attention.onnx';
const MOST_RUNS = 60;

/** Planes by the names of the graph's inputs, filled with noise. */
interface Given {
  readonly shapes: PortShapes;
  readonly data: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
}

/** One of the two. */
interface Side {
  readonly gpu: GpuDevice;
  /** Submits the work once. */
  run(): Promise<void>;
  /** What a run makes: `[channels, height, width]`. */
  read(): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Whether a case is about attention alone. */
export function isAttention({ model }: Pick<Case, 'model'>): boolean {
  return model.files.has(ATTENTION_GRAPH);
}

/** Holds our attention kernel against the same attention in ONNX operators, in turns. */
export async function attentionContest(of: Case, ring: Ring): Promise<Outcome> {
  const { adapter, runtime, rounds, roundMs, onStep, signal } = ring;
  const { model } = of;
  const side = (length: number): number => Math.ceil(length / BLOCK) * BLOCK;
  const size = { width: side(of.size.width), height: side(of.size.height) };
  const given = noise(model, size);
  const sides: Side[] = [];
  const device = async (): Promise<GpuDevice> => GpuDevice.request(await adapter.request(), () => undefined);
  try {
    onStep('compiling');
    const ours = openOurs(await device(), model, size, given);
    sides.push(ours);
    const theirs = await openTheirs(await device(), runtime, model, size, given);
    sides.push(theirs);
    const levels = difference(await ours.read(), await theirs.read());
    const runs: number[] = [];
    for (const one of sides) {
      // The first one warms up.
      await timed(one, 1);
      runs.push(repeats(await timed(one, 1), roundMs, MOST_RUNS));
    }
    const [a = 1, b = 1] = runs;
    const before = (round: number): void => {
      signal.throwIfAborted();
      onStep(`wall clock, round ${round + 1} of ${rounds}`);
    };
    const wall = await inTurns(
      () => timed(ours, a),
      () => timed(theirs, b),
      rounds,
      before,
    );
    if (!wall) throw new Error('This browser’s clock is too coarse.');
    const { macs, bytesRead, bytesWritten, idealBytes } = attentionCost(settingsOf(model), 'f32').fuse;
    return {
      ...{ of, wall, levels, gpu: undefined },
      macs: macs * size.width * size.height,
      bytes: { moved: bytesRead + bytesWritten, ideal: idealBytes },
    };
  } finally {
    for (const one of sides) await one.close();
  }
}

async function timed({ gpu, run }: Side, runs: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < runs; i++) await run();
  await gpu.settled();
  return (performance.now() - start) / runs;
}

function openOurs(gpu: GpuDevice, model: LoadedModel, { width, height }: Size, { shapes, data }: Given): Side {
  const settings = settingsOf(model);
  const scope = gpu.scope();
  const { window } = model.manifest;
  const attention = new Attention(
    scope,
    settings,
    attentionWeights(settings, weightsOf(model)),
    { width, height },
    window,
    'f32',
  );
  const area = width * height;
  const channels = shapes['feat']?.channels ?? 0;
  const write = (buffer: GPUBuffer, at: number, name: string): void => {
    const plane = data[name];
    if (plane) gpu.queue.writeBuffer(buffer, at, inFours(plane, shapes[name]?.channels ?? 0));
  };
  const feat = scope.buffer('feat', area * channels * 4);
  const z = scope.buffer('z', area * channels * 4);
  write(feat, 0, 'feat');
  const { keys, values } = attention.rings;
  const slots = Array.from({ length: window }, (_, slot) => slot);
  for (const slot of slots) {
    write(keys, (slot * keys.size) / window, `key${slot}`);
    write(values, (slot * values.size) / window, `value${slot}`);
  }
  const run = async (): Promise<void> =>
    gpu.submit((encoder) => {
      const pass = encoder.beginComputePass();
      attention.record(pass, feat, slots, z, { x: 0, y: 0, width, height });
      pass.end();
    });
  return {
    gpu,
    run,
    read: async () => {
      await run();
      const packed = await numbersOf(gpu, z, area * channels);
      return packed.map((_, i) => packed[(i % area) * channels + Math.floor(i / area)] ?? 0);
    },
    close: async () => gpu.destroy(),
  };
}

async function openTheirs(
  gpu: GpuDevice,
  runtime: OrtRuntime,
  model: LoadedModel,
  size: Size,
  { shapes, data }: Given,
): Promise<Side> {
  const channels = shapes['feat']?.channels ?? 0;
  const outputs = { z: { channels, ...size } };
  const options = { file: ATTENTION_GRAPH, size, inputs: shapes, outputs, capture: true };
  const graph = await TileGraph.create(gpu, runtime, model, options);
  for (const [name, plane] of Object.entries(data)) gpu.queue.writeBuffer(graph.input(name), 0, plane);
  const run = (): Promise<void> => runtime.exclusive(() => graph.run());
  return {
    gpu,
    run,
    read: async () => {
      await run();
      return numbersOf(gpu, graph.output('z'), channels * size.width * size.height);
    },
    close: async () => {
      await graph.release();
      gpu.destroy();
    },
  };
}

function settingsOf({ manifest }: LoadedModel): AttentionSettings {
  const settings = attentionSettings(manifest.settings ?? {});
  if (!settings) throw new Error(`The network ${manifest.name} does not attend.`);
  return settings;
}

function weightsOf({ files, manifest }: LoadedModel): Initialisers {
  const parts = [manifest.encode.file, manifest.fuse.file].map((file) => files.get(file));
  return new Map(parts.flatMap((bytes) => (bytes ? [...readInitialisers(bytes).weights] : [])));
}

/** What the graph reads, but for the picture, which attention does not need. */
function noise({ manifest }: LoadedModel, size: Size): Given {
  const ports = Object.entries(manifest.fuse.inputs).filter(([name]) => name !== 'frame');
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const shapes: Record<string, PortShapes[string]> = {};
  const data: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const [name, { plane }] of ports) {
    const { channels, stride } = manifest.planes[plane] ?? { channels: 0, stride: 1 };
    const shape = { channels, width: size.width / stride, height: size.height / stride };
    shapes[name] = shape;
    data[name] = Float32Array.from({ length: channels * shape.width * shape.height }, next);
  }
  return { shapes, data };
}

/** A plane `[channels, height, width]` as our kernels have it: pixel by pixel, channels in fours. */
function inFours(plane: Float32Array, channels: number): Float32Array<ArrayBuffer> {
  const area = plane.length / channels;
  return new Float32Array(plane.length).map((_, i) => plane[(i % channels) * area + Math.floor(i / channels)] ?? 0);
}

async function numbersOf(gpu: GpuDevice, buffer: GPUBuffer, length: number): Promise<Float32Array> {
  const scope = gpu.scope();
  try {
    return await new ReadBack(scope).read(
      length * 4,
      (encoder, staging) => encoder.copyBufferToBuffer(buffer, 0, staging, 0, length * 4),
      (mapped) => new Float32Array(mapped).slice(0, length),
    );
  } finally {
    scope.dispose();
  }
}

/** The largest difference, of what the numbers' range is 255 of. */
function difference(a: Float32Array, b: Float32Array): number {
  let [low, high, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN];
    low = Math.min(low, x);
    high = Math.max(high, x);
    most = Math.max(most, Math.abs(x - y));
  }
  return Math.round((most / (high - low)) * 255);
}
