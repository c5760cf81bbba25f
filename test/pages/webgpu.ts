import { type Engine, type LoadedModel, type StageTimes, type Tile, wholePlan } from '../../src/engine/engine.js';
import { OrtCpuEngine } from '../../src/engine/ort/cpu.js';
import { OrtRunner } from '../../src/engine/ort/graph-runner.js';
import { loadOrt, type OrtRuntime } from '../../src/engine/ort/runtime.js';
import { createWebGpuEngine, type WebGpuOptions } from '../../src/engine/ort/webgpu.js';
import { thumbnailOf } from '../../src/engine/planes.js';
import { goldenTile } from '../../src/engine/verify.js';
import type { WebGpuEngine } from '../../src/engine/webgpu/engine.js';
import { packRgb } from '../../src/frame/colour.js';
import type { Size } from '../../src/frame/frame.js';
import { PlaneReader } from '../../src/frame/video-frame.js';
import { halfOf } from '../../src/model/half.js';
import { ModelLoader } from '../../src/model/loader.js';
import type { TileSpec } from '../../src/model/manifest.js';
import { planStream } from '../../src/pipeline/tiles.js';

const DIST = new URL('/node_modules/onnxruntime-web/dist/', location.href).href;
let runtime: Promise<OrtRuntime> | undefined;

/** One ONNX Runtime per page, the build with WebGPU; it has the WASM backend too. */
export function ortInPage(): Promise<OrtRuntime> {
  runtime ??= loadOrt(
    {
      api: `${DIST}ort.webgpu.min.mjs`,
      mjs: `${DIST}ort-wasm-simd-threaded.asyncify.mjs`,
      wasm: `${DIST}ort-wasm-simd-threaded.asyncify.wasm`,
    },
    1,
  );
  return runtime;
}

const models = new Map<string, Promise<LoadedModel>>();
/** Compiles in a moment, where it does not matter which network runs. */
export const TINY = 'recurrent-tiny';
const FIXTURES = [TINY];

export function modelOf(name: string): Promise<LoadedModel> {
  let model = models.get(name);
  if (!model) {
    const folder = FIXTURES.includes(name) ? '/test/fixtures' : '/models';
    model = new ModelLoader().load({ manifest: new URL(`${folder}/${name}/manifest.json`, location.href).href });
    models.set(name, model);
  }
  return model;
}

const engines = new Map<string, Promise<WebGpuEngine>>();

/** The size of the golden tiles, where size does not matter. */
export const SMALL = { width: 24, height: 16 };

/**
 * Engines are kept, and with a stream open also their sessions of the small size: software WebGPU takes seconds to
 * compile a network.
 */
export async function engineWith(options: Partial<WebGpuOptions>): Promise<WebGpuEngine> {
  const key = JSON.stringify(options);
  let engine = engines.get(key);
  if (!engine) {
    engine = createWebGpuEngine({ runtime: await ortInPage(), ...options });
    engines.set(key, engine);
    const plan = wholePlan(SMALL);
    await (await engine).open(await modelOf('mana-nano-x2'), { size: SMALL, encode: plan, fuse: plan, slots: 7 });
  }
  return engine;
}

/** Disposes all engines that tests have used; answers with the buffers and textures left alive. */
export async function closing(): Promise<number[]> {
  const all = await Promise.all(engines.values());
  engines.clear();
  await Promise.all(all.map((engine) => engine.disposed()));
  return all.map((engine) => engine.liveResources);
}

/** A test picture: gradients, a moving edge and some noise, different for every `time`. */
export function picture(width: number, height: number, time: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(width * height * 4);
  let noise = 12345 + time;
  for (let i = 0; i < data.length; i += 4) {
    const x = (i / 4) % width;
    const y = Math.floor(i / 4 / width);
    noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
    const edge = (x + 2 * time) % 16 < 8 !== (y + time) % 12 < 6 ? 60 : 0;
    data[i] = 40 + edge + (x * 90) / width + (noise >>> 28);
    data[i + 1] = 60 + edge + (y * 90) / height + ((noise >>> 24) & 7);
    data[i + 2] = 120 - edge / 2 + ((x + y) % 32) * 2;
    data[i + 3] = 255;
  }
  return data;
}

export function pictureFrame(width: number, height: number, time: number): VideoFrame {
  const data = picture(width, height, time);
  return new VideoFrame(data, { format: 'RGBX', codedWidth: width, codedHeight: height, timestamp: time * 33333 });
}

export async function pixelsOf(frame: VideoFrame): Promise<Uint8Array> {
  const width = frame.visibleRect?.width ?? 0;
  const height = frame.visibleRect?.height ?? 0;
  const data = new Uint8Array(width * height * 4);
  await frame.copyTo(data, { format: 'RGBX', layout: [{ offset: 0, stride: width * 4 }] });
  frame.close();
  return data;
}

export function worst(a: ArrayLike<number>, b: ArrayLike<number>, skipAlpha = false): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    if (skipAlpha && i % 4 === 3) continue;
    const off = Math.abs((a[i] as number) - (b[i] as number));
    if (!(off <= max)) max = off; // NaN too
  }
  return max;
}

/** What the engine found out about the browser. */
export async function ways(
  options: Partial<WebGpuOptions> = {},
): Promise<{ imports: string[]; presentation: string; description: string }> {
  const { imports, presentation, description } = await engineWith(options);
  return { imports: [...imports], presentation, description };
}

/** Largest error against the model's golden tile. */
export async function golden(name: string, graphCapture = true): Promise<{ error: number; tolerance: number }> {
  const model = await modelOf(name);
  const { golden: spec, window, scale } = model.manifest;
  const file = model.files.get(spec.file) as Uint8Array;
  const length = window * 3 * spec.width * spec.height;
  const frames = Float32Array.from(file.subarray(0, length), (value) => value / 255);
  const expected = new Float32Array(file.slice(length).buffer, 0, 3 * spec.width * spec.height * scale * scale);
  const engine = await engineWith(graphCapture ? {} : { graphCapture });
  const found = await engine.runTile(model, frames, { width: spec.width, height: spec.height });
  return { error: worst(found, expected), tolerance: spec.tolerance };
}

/** Whether the adapter computes in fp16, and the largest errors of a model's two forms against its golden tile. */
export async function half(name: string): Promise<{ half: boolean; fp16: number; fp32: number; tolerance: number }> {
  const model = await modelOf(name);
  const small = halfOf(model) as LoadedModel;
  const engine = await engineWith({});
  const error = async (form: LoadedModel): Promise<number> => {
    const { width, height, frames, expected } = goldenTile(form);
    return worst(await engine.runTile(form, frames, { width, height }), expected);
  };
  const { tolerance } = small.manifest.golden;
  return { half: engine.half, fp16: await error(small), fp32: await error(model), tolerance };
}

interface Run {
  readonly name: string;
  readonly size: Size;
  readonly frames: number;
  /** A frame that is not encoded: it takes over the planes of the frame before. */
  readonly repeated?: number;
  /** Largest tile, in pixels. */
  readonly maxPixels?: number;
  /** Tiles of exactly this size, blended, as if the network asked for them. */
  readonly tile?: TileSpec;
}

/** Runs a stream over pictures that all differ; answers with the pixels of every output. */
async function play<Out>(
  engine: Engine<VideoFrame, Out>,
  { name, size, frames, repeated, maxPixels = Number.POSITIVE_INFINITY, tile }: Run,
  read: (out: Out) => Promise<Uint8Array>,
): Promise<Uint8Array[]> {
  const { manifest, files } = await modelOf(name);
  const model = { manifest: tile ? { ...manifest, tile } : manifest, files };
  const { window } = manifest;
  const shape = { size, ...planStream(model.manifest, size, { encode: maxPixels, fuse: maxPixels }), slots: window };
  const stream = await engine.open(model, shape);
  const outs: Uint8Array[] = [];
  for (let time = 0; time < frames; time++) {
    const frame = pictureFrame(size.width, size.height, time);
    await stream.pack(frame, time % window);
    frame.close();
    if (time === repeated) await stream.repeat(time % window, (time - 1) % window);
    else await stream.encode(time % window, time > 0 ? (time - 1) % window : undefined);
    const slots = Array.from({ length: window }, (_, i) => Math.max(0, time - window + 1 + i) % window);
    for (const tile of shape.fuse.tiles) await stream.fuse(slots, tile);
    outs.push(await read(await stream.output({ timestampUs: time * 33333, durationUs: 33333 })));
  }
  stream.dispose();
  return outs;
}

/** Levels between two lists of pictures, and whether the pictures within a list differ. */
function between(a: Uint8Array[], b: Uint8Array[]): { levels: number; moving: boolean } {
  const levels = Math.max(...a.map((out, i) => worst(out, b[i] as Uint8Array, true)));
  // The first centres are all the first frame.
  const moving = a.every((out, i) => i <= 3 || worst(out, a[i - 1] as Uint8Array) > 8);
  return { levels: a.length === b.length ? levels : Number.POSITIVE_INFINITY, moving };
}

/** A stream on WebGPU against the same stream on WASM. */
export async function againstWasm(
  run: Run,
  options: Partial<WebGpuOptions> = {},
): Promise<{ levels: number; moving: boolean }> {
  const gpu = await play(await engineWith(options), run, pixelsOf);
  const reader = new PlaneReader();
  const wasm = new OrtCpuEngine<VideoFrame, Uint8Array>(new OrtRunner(await ortInPage()), () => ({
    read: (frame) => reader.read(frame),
    write: (pixels) => Uint8Array.from(pixels),
  }));
  const cpu = await play(wasm, { ...run, maxPixels: Number.POSITIVE_INFINITY }, async (out) => out);
  wasm.dispose();
  return between(gpu, cpu);
}

interface SourceFrame {
  readonly format: VideoPixelFormat;
  readonly coded: readonly [width: number, height: number];
  readonly visible?: readonly [x: number, y: number, width: number, height: number];
  readonly colorSpace?: VideoColorSpaceInit;
  /** Luma is within video's range and chroma the same everywhere, so that it does not matter how it is interpolated. */
  readonly flat?: boolean;
}

function sourceFrame({ format, coded, visible, colorSpace, flat }: SourceFrame): VideoFrame {
  const [codedWidth, codedHeight] = coded;
  const yuv = format === 'I420' || format === 'NV12';
  const chroma = 2 * Math.ceil(codedWidth / 2) * Math.ceil(codedHeight / 2);
  const length = yuv ? codedWidth * codedHeight + chroma : codedWidth * codedHeight * 4;
  const data = Uint8Array.from({ length }, (_, i) => (!yuv && i % 4 === 3 ? 255 : (i * 7919 + (i >> 4) * 31) % 256));
  if (yuv && flat) {
    const luma = codedWidth * codedHeight;
    data.set(data.subarray(0, luma).map((value) => 16 + (value % 220)));
    data.fill(105, luma);
  }
  return new VideoFrame(data, {
    ...{ format, codedWidth, codedHeight, timestamp: 0 },
    ...(visible ? { visibleRect: { x: visible[0], y: visible[1], width: visible[2], height: visible[3] } } : {}),
    ...(colorSpace ? { colorSpace } : {}),
  });
}

/** What packing each frame, by each way, is off from `packRgb` by, in levels. */
export async function packing(
  sources: SourceFrame[],
  options: Partial<WebGpuOptions> = {},
): Promise<{ levels: number[]; imported: number }> {
  const model = await modelOf('mana-nano-x2');
  const reader = new PlaneReader();
  const engine = await engineWith(options);
  const levels: number[] = [];
  let imported = 0;
  const plan = wholePlan(SMALL);
  for (const source of sources) {
    const frame = sourceFrame(source);
    const planar = await reader.read(frame);
    const size = { width: planar.width, height: planar.height };
    const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 1 });
    await stream.pack(frame, 0);
    if (stream.times.pack === 0) imported++;
    const expected = new Float32Array(3 * SMALL.width * SMALL.height);
    packRgb(planar, expected, SMALL.width, SMALL.height);
    levels.push(worst(await stream.packed(0), expected) * 255);
    frame.close();
    await stream.disposed();
  }
  return { levels, imported };
}

/**
 * Cells, of three by two, that differ between two packed pictures that differ in the given pixels, and how far the
 * thumbnail is from that made in main memory.
 */
export async function comparing(
  changed: readonly (readonly [x: number, y: number])[],
): Promise<{ cells: number[]; thumbnail: number }> {
  const model = await modelOf('mana-nano-x2');
  const size = { width: 21, height: 13 };
  const plan = wholePlan(SMALL);
  const engine = await engineWith({});
  const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 2 });
  for (const slot of [0, 1]) {
    const data = picture(size.width, size.height, 0);
    if (slot === 1) for (const [x, y] of changed) data[(y * size.width + x) * 4 + 1] = 0;
    const frame = new VideoFrame(data, {
      format: 'RGBX',
      codedWidth: size.width,
      codedHeight: size.height,
      timestamp: 0,
    });
    await stream.pack(frame, slot);
    frame.close();
  }
  // The second comparison starts before the first one is known.
  const [first, same] = await Promise.all([stream.compare(1, 0), stream.compare(0, 0)]);
  const expected = thumbnailOf(await stream.packed(1), 24, 16);
  await stream.disposed();
  if (same.changed.some((flag) => flag !== 0)) throw new Error('A picture differs from itself.');
  const errors = expected.map((value, i) => Math.abs(value - (first.thumbnail[i] ?? Number.NaN)));
  return { cells: [...first.changed], thumbnail: Math.max(...errors) };
}

/** Loses the device in the middle of a run. */
export async function losing(): Promise<{ rejected: string[]; lost: string[]; again: number }> {
  const model = await modelOf(TINY);
  const size = SMALL;
  const plan = wholePlan(SMALL);
  const lost: string[] = [];
  const engine = await createWebGpuEngine({ runtime: await ortInPage(), onLost: (reason) => lost.push(reason) });
  const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });
  const frame = pictureFrame(SMALL.width, SMALL.height, 0);
  await stream.pack(frame, 0);
  await stream.encode(0);
  const code = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'resolved',
      (thrown: unknown) => (thrown as { code?: string }).code ?? String(thrown),
    );
  // Comparing waits for the GPU and so is under way when the device goes.
  const running = code(stream.compare(0, 0));
  void code(stream.fuse([0, 0, 0, 0, 0, 0, 0], plan.tiles[0] as Tile));
  engine.gpu.device.destroy();
  const rejected = [
    await running,
    await code(stream.pack(frame, 1)),
    await code(stream.encode(1)),
    await code(stream.fuse([0, 0, 0, 0, 0, 0, 0], plan.tiles[0] as Tile)),
    await code(stream.output({ timestampUs: 0 })),
    await code(engine.open(model, { size, encode: plan, fuse: plan, slots: 7 })),
  ];
  frame.close();
  // A new engine in the same page works.
  await engine.disposed();
  const again = (await golden(TINY)).error;
  return { rejected, lost, again };
}

/** Disposes a stream while it runs and an engine with an open stream; answers with what is left alive. */
export async function disposing(): Promise<{ afterStream: number; afterEngine: number; call: string; lost: number }> {
  const model = await modelOf(TINY);
  const size = SMALL;
  const plan = wholePlan(SMALL);
  let lost = 0;
  const engine = await createWebGpuEngine({ runtime: await ortInPage(), onLost: () => lost++ });
  const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });
  const frame = pictureFrame(SMALL.width, SMALL.height, 0);
  await stream.pack(frame, 0);
  frame.close();
  const compared = stream.compare(0, 0);
  const encoding = stream.encode(0);
  stream.dispose();
  await Promise.all([compared, encoding]);
  await stream.disposed();
  const call = await stream.encode(0).then(
    () => 'resolved',
    (thrown: unknown) => (thrown as { code?: string }).code ?? String(thrown),
  );
  const afterStream = engine.liveResources;
  await engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });
  await engine.disposed();
  return { afterStream, afterEngine: engine.liveResources, call, lost };
}

/** Milliseconds per frame in the steady state, by stage. Not a test: numbers to read. */
export async function timing(
  name: string,
  size: Size,
  frames: number,
  options: Partial<WebGpuOptions> = {},
): Promise<{ total: number; stages: Record<string, number>; captured: boolean }> {
  const engine = await engineWith(options);
  const plan = wholePlan(size);
  const stream = await engine.open(await modelOf(name), { size, encode: plan, fuse: plan, slots: 7 });
  const one = async (time: number): Promise<void> => {
    const frame = pictureFrame(size.width, size.height, time);
    await stream.pack(frame, time % 7);
    frame.close();
    await stream.encode(time % 7);
    for (const tile of plan.tiles) await stream.fuse([0, 1, 2, 3, 4, 5, 6], tile);
    (await stream.output({ timestampUs: 0 })).close();
  };
  await one(0);
  await engine.gpu.queue.onSubmittedWorkDone();
  const before = { ...stream.times };
  const start = performance.now();
  for (let i = 0; i < frames; i++) await one(i);
  await engine.gpu.queue.onSubmittedWorkDone();
  const total = (performance.now() - start) / frames;
  const stages = Object.entries(stream.times).map(([stage, ms]) => [
    stage,
    (ms - before[stage as keyof StageTimes]) / frames,
  ]);
  const captured = stream.parts.network.captured;
  await stream.disposed();
  return { total, stages: Object.fromEntries(stages), captured };
}
