import type { EngineStream, LoadedModel } from '../../src/engine/engine.js';
import { OrtCpuEngine } from '../../src/engine/ort/cpu.js';
import { loadOrt, type OrtRuntime } from '../../src/engine/ort/runtime.js';
import { createWebGpuEngine, type WebGpuEngine, type WebGpuOptions } from '../../src/engine/ort/webgpu.js';
import type { WebGpuStream } from '../../src/engine/webgpu/stream.js';
import { packRgb } from '../../src/frame/colour.js';
import { PlaneReader } from '../../src/frame/video-frame.js';
import { ModelLoader } from '../../src/model/loader.js';
import { halosOf } from '../../src/model/manifest.js';
import { planTiles } from '../../src/pipeline/tiles.js';

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

function modelOf(name: string): Promise<LoadedModel> {
  let model = models.get(name);
  if (!model) {
    const loader = new ModelLoader(async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer()));
    model = loader.load({ manifest: new URL(`/models/${name}/manifest.json`, location.href).href });
    models.set(name, model);
  }
  return model;
}

async function withEngine<T>(options: Partial<WebGpuOptions>, use: (engine: WebGpuEngine) => Promise<T>): Promise<T> {
  const engine = await createWebGpuEngine({ runtime: await ortInPage(), ...options });
  try {
    return await use(engine);
  } finally {
    await engine.disposed();
  }
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

function pictureFrame(width: number, height: number, time: number): VideoFrame {
  const data = picture(width, height, time);
  return new VideoFrame(data, { format: 'RGBX', codedWidth: width, codedHeight: height, timestamp: time * 33333 });
}

async function pixelsOf(frame: VideoFrame): Promise<Uint8Array> {
  const width = frame.visibleRect?.width ?? 0;
  const height = frame.visibleRect?.height ?? 0;
  const data = new Uint8Array(width * height * 4);
  await frame.copyTo(data, { format: 'RGBX', layout: [{ offset: 0, stride: width * 4 }] });
  frame.close();
  return data;
}

function worst(a: ArrayLike<number>, b: ArrayLike<number>, skipAlpha = false): number {
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
export async function ways(): Promise<{ imports: string[]; presentation: string; description: string; left: number }> {
  const engine = await createWebGpuEngine({ runtime: await ortInPage() });
  const { imports, presentation, description } = engine;
  await engine.disposed();
  return { imports: [...imports], presentation, description, left: engine.liveResources };
}

/** Largest error against the model's golden tile. */
export async function golden(
  name: string,
  graphCapture = true,
): Promise<{ error: number; tolerance: number; left: number }> {
  const model = await modelOf(name);
  const { golden: spec, window, scale } = model.manifest;
  const file = model.files.get(spec.file) as Uint8Array;
  const length = window * 3 * spec.width * spec.height;
  const frames = Float32Array.from(file.subarray(0, length), (value) => value / 255);
  const expected = new Float32Array(file.slice(length).buffer, 0, 3 * spec.width * spec.height * scale * scale);
  const engine = await createWebGpuEngine({ runtime: await ortInPage(), graphCapture });
  const found = await engine.runTile(model, frames, { width: spec.width, height: spec.height });
  await engine.disposed();
  return { error: worst(found, expected), tolerance: spec.tolerance, left: engine.liveResources };
}

interface Run {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Largest tile, in pixels. */
  readonly maxPixels?: number;
}

/** Runs a stream over pictures that all differ; answers with the pixels of every output. */
async function play<Out>(
  engine: { open(model: LoadedModel, shape: never): Promise<EngineStream<VideoFrame, Out>> },
  { name, width, height, frames, maxPixels = Number.POSITIVE_INFINITY }: Run,
  read: (out: Out) => Promise<Uint8Array>,
): Promise<Uint8Array[]> {
  const model = await modelOf(name);
  const { window, align } = model.manifest;
  const halos = halosOf(model.manifest);
  const size = { width, height };
  const plan = (halo: number) => planTiles({ size, align, halo, maxPixels });
  const shape = { size, encode: plan(halos.encode), fuse: plan(halos.fuse), slots: window };
  const stream = await engine.open(model, shape as never);
  const outs: Uint8Array[] = [];
  for (let time = 0; time < frames; time++) {
    const frame = pictureFrame(width, height, time);
    await stream.pack(frame, time % window);
    frame.close();
    await stream.encode(time % window);
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
  const moving = a.every((out, i) => i === 0 || worst(out, a[i - 1] as Uint8Array) > 8);
  return { levels: a.length === b.length ? levels : Number.POSITIVE_INFINITY, moving };
}

/** A stream on WebGPU against the same stream on WASM. */
export async function againstWasm(
  run: Run,
  options: Partial<WebGpuOptions> = {},
): Promise<{ levels: number; moving: boolean }> {
  const gpu = await withEngine(options, (engine) => play(engine, run, pixelsOf));
  const reader = new PlaneReader();
  const wasm = new OrtCpuEngine<VideoFrame, Uint8Array>('wasm', await ortInPage(), {
    read: (frame) => reader.read(frame),
    write: (pixels) => Uint8Array.from(pixels),
  });
  const cpu = await play(wasm, { ...run, maxPixels: Number.POSITIVE_INFINITY }, async (out) => out);
  wasm.dispose();
  return between(gpu, cpu);
}

/** A stream in tiles against the whole picture, both on WebGPU. */
export async function tiledAgainstWhole(run: Run): Promise<{ levels: number; moving: boolean }> {
  const { maxPixels: _, ...whole } = run;
  return withEngine({}, async (engine) =>
    between(await play(engine, run, pixelsOf), await play(engine, whole, pixelsOf)),
  );
}

interface SourceFrame {
  readonly format: VideoPixelFormat;
  readonly coded: readonly [width: number, height: number];
  readonly visible?: readonly [x: number, y: number, width: number, height: number];
  readonly colorSpace?: VideoColorSpaceInit;
}

function sourceFrame({ format, coded, visible, colorSpace }: SourceFrame): VideoFrame {
  const [codedWidth, codedHeight] = coded;
  const yuv = format === 'I420' || format === 'NV12';
  const chroma = 2 * Math.ceil(codedWidth / 2) * Math.ceil(codedHeight / 2);
  const length = yuv ? codedWidth * codedHeight + chroma : codedWidth * codedHeight * 4;
  const data = Uint8Array.from({ length }, (_, i) => (!yuv && i % 4 === 3 ? 255 : (i * 7919 + (i >> 4) * 31) % 256));
  return new VideoFrame(data, {
    ...{ format, codedWidth, codedHeight, timestamp: 0 },
    ...(visible ? { visibleRect: { x: visible[0], y: visible[1], width: visible[2], height: visible[3] } } : {}),
    ...(colorSpace ? { colorSpace } : {}),
  });
}

/** What packing each frame, by each way, is off from `packRgb` by, in levels. */
export async function packing(
  sources: SourceFrame[],
  textures: boolean,
): Promise<{ levels: number[]; imported: number }> {
  const model = await modelOf('mana-nano-x2');
  const reader = new PlaneReader();
  return withEngine({ textures }, async (engine) => {
    const levels: number[] = [];
    let imported = 0;
    for (const source of sources) {
      const frame = sourceFrame(source);
      const planar = await reader.read(frame);
      const plan = planTiles({ size: planar, align: 8, halo: 0, maxPixels: Number.POSITIVE_INFINITY });
      const shape = { size: { width: planar.width, height: planar.height }, encode: plan, fuse: plan, slots: 1 };
      const stream: WebGpuStream = await engine.open(model, shape);
      await stream.pack(frame, 0);
      if (stream.times.pack === 0) imported++;
      const expected = new Float32Array(3 * plan.picture.width * plan.picture.height);
      packRgb(planar, expected, plan.picture.width, plan.picture.height);
      levels.push(worst(await stream.packed(0), expected) * 255);
      frame.close();
      await stream.disposed();
    }
    return { levels, imported };
  });
}

/** Cells that differ between two packed pictures of 40x24 that differ in the given pixels. */
export async function comparing(changed: readonly (readonly [x: number, y: number])[]): Promise<number[]> {
  const model = await modelOf('mana-nano-x2');
  const size = { width: 37, height: 21 };
  const plan = planTiles({ size, align: 8, halo: 0, maxPixels: Number.POSITIVE_INFINITY });
  return withEngine({}, async (engine) => {
    const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 2 });
    for (const slot of [0, 1]) {
      const data = picture(size.width, size.height, 0);
      if (slot === 1) for (const [x, y] of changed) data[(y * size.width + x) * 4 + 1]! ^= 1;
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
    if (same.some((flag) => flag !== 0)) throw new Error('A picture differs from itself.');
    return [...first];
  });
}

/** Loses the device in the middle of a run. */
export async function losing(): Promise<{ rejected: string[]; lost: string[]; again: number }> {
  const model = await modelOf('mana-nano-x2');
  const size = { width: 48, height: 64 };
  const plan = planTiles({ size, align: 8, halo: 16, maxPixels: Number.POSITIVE_INFINITY });
  const lost: string[] = [];
  const engine = await createWebGpuEngine({ runtime: await ortInPage(), onLost: (reason) => lost.push(reason) });
  const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });
  const frame = pictureFrame(48, 64, 0);
  await stream.pack(frame, 0);
  await stream.encode(0);
  const code = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'resolved',
      (thrown: unknown) => (thrown as { code?: string }).code ?? String(thrown),
    );
  const running = code(stream.fuse([0, 0, 0, 0, 0, 0, 0], plan.tiles[0] as never));
  engine.gpu.device.destroy();
  const rejected = [
    await running,
    await code(stream.pack(frame, 1)),
    await code(stream.compare(0, 0)),
    await code(stream.encode(1)),
    await code(stream.output({ timestampUs: 0 })),
    await code(engine.open(model, { size, encode: plan, fuse: plan, slots: 7 })),
  ];
  frame.close();
  await engine.disposed();
  // A new engine in the same page works.
  const again = (await golden('mana-nano-x2')).error;
  return { rejected, lost, again };
}

/** Disposes a stream while it runs and an engine with an open stream; answers with what is left alive. */
export async function disposing(): Promise<{ afterStream: number; afterEngine: number; call: string; lost: number }> {
  const model = await modelOf('mana-nano-x2');
  const size = { width: 48, height: 64 };
  const plan = planTiles({ size, align: 8, halo: 16, maxPixels: Number.POSITIVE_INFINITY });
  let lost = 0;
  const engine = await createWebGpuEngine({ runtime: await ortInPage(), onLost: () => lost++ });
  const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });
  const frame = pictureFrame(48, 64, 0);
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

/** Milliseconds per frame in the steady state, by stage. */
export async function timing(
  name: string,
  width: number,
  height: number,
  frames: number,
  options: Partial<WebGpuOptions>,
) {
  const model = await modelOf(name);
  const size = { width, height };
  const plan = planTiles({ size, align: 8, halo: 0, maxPixels: Number.POSITIVE_INFINITY });
  return withEngine(options, async (engine) => {
    const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });
    const one = async (time: number): Promise<void> => {
      const frame = pictureFrame(width, height, time);
      await stream.pack(frame, time % 7);
      frame.close();
      await stream.encode(time % 7);
      await stream.fuse([0, 1, 2, 3, 4, 5, 6], plan.tiles[0] as never);
      (await stream.output({ timestampUs: 0 })).close();
    };
    for (let i = 0; i < 3; i++) await one(i);
    const before = { ...stream.times };
    const start = performance.now();
    for (let i = 0; i < frames; i++) await one(i);
    await engine.gpu.queue.onSubmittedWorkDone();
    const total = (performance.now() - start) / frames;
    const stages = Object.fromEntries(
      Object.entries(stream.times).map(([stage, ms]) => [stage, (ms - before[stage as keyof typeof before]) / frames]),
    );
    return { total, stages, captured: stream.parts.fuse.captured && stream.parts.encode.captured };
  });
}
//PROFILE-BEGIN
export async function profile(name: string, width: number, height: number, layout: string): Promise<string[]> {
  const model = await modelOf(name);
  (globalThis as any).__layout = layout;
  const P = GPUComputePassEncoder.prototype as any;
  const sp = P.setPipeline, sb = P.setBindGroup, dw = P.dispatchWorkgroups;
  let list: any[] = []; let on = false;
  P.setPipeline = function (p: any) { this.__p = p; return sp.call(this, p); };
  P.setBindGroup = function (i: number, g: any, ...r: any[]) { this.__g = g; this.__r = r; return sb.call(this, i, g, ...r); };
  P.dispatchWorkgroups = function (x: number, y = 1, z = 1) { if (on) list.push([this.__p, this.__g, this.__r, x, y, z]); return dw.call(this, x, y, z); };
  const size = { width, height };
  const plan = planTiles({ size, align: 8, halo: 0, maxPixels: Number.POSITIVE_INFINITY });
  return withEngine({ graphCapture: false }, async (engine) => {
    const stream = await engine.open(model, { size, encode: plan, fuse: plan, slots: 7 });
    const frame = pictureFrame(width, height, 0);
    await stream.pack(frame, 0);
    frame.close();
    on = true;
    await stream.encode(0);
    await stream.fuse([0, 0, 0, 0, 0, 0, 0], plan.tiles[0] as never);
    on = false;
    const q = engine.gpu.queue; await q.onSubmittedWorkDone();
    const rows: [number, string][] = []; let total = 0; const by = new Map<string, [number, number]>();
    for (const [p, g, r, x, y, z] of list) {
      const e = engine.gpu.device.createCommandEncoder(); const c = e.beginComputePass();
      sp.call(c, p); if (g) sb.call(c, 0, g, ...r); dw.call(c, x, y, z); c.end();
      const t = performance.now(); q.submit([e.finish()]); await q.onSubmittedWorkDone(); const ms = performance.now() - t;
      total += ms; rows.push([ms, `${p.label} ${x}x${y}x${z}`]);
      const b = by.get(p.label) ?? [0, 0]; b[0] += ms; b[1]++; by.set(p.label, b);
    }
    rows.sort((a, b) => b[0] - a[0]);
    return [`total ${total.toFixed(0)} in ${list.length}`, ...[...by].sort((a, b) => b[1][0] - a[1][0]).map(([k, [a, b]]) => `${a.toFixed(0)} ms ${b}x ${k}`), ...rows.slice(0, 12).map(([m, s]) => `  ${m.toFixed(0)} ${s}`)];
  });
}
//PROFILE-END
