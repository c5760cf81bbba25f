import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { packRgb } from '../../frame/colour.js';
import { UpscaleError } from '../../frame/errors.js';
import type { FrameTimes, PlanarFrame, Size } from '../../frame/frame.js';
import type { GraphCost, PlaneSpec } from '../../model/manifest.js';
import {
  type Engine,
  type EngineStream,
  type LoadedModel,
  noTimes,
  type StageTimes,
  type StreamShape,
  type Tile,
} from '../engine.js';
import { copyRect, differingCells, stitchTile, strided } from '../planes.js';
import type { OrtRuntime } from './runtime.js';

/** How one stream of an engine in main memory reads source frames and makes output frames. */
export interface FrameMemory<In, Out> {
  read(frame: In): PlanarFrame | Promise<PlanarFrame>;
  /** @param pixels R, G, B, X bytes of the whole picture; they change after the call, so they must be copied */
  write(pixels: Uint8ClampedArray, size: Size, times: FrameTimes): Out;
}

/** Memory one tile's intermediate tensors may take. A WebAssembly heap never shrinks, so this is a page's peak. */
const TILE_BYTES = 128 * 2 ** 20;

interface Sessions {
  readonly encode: InferenceSession;
  readonly fuse: InferenceSession;
}

/** ONNX Runtime on the processor: WebAssembly in the browser and in Node. Tensors live in main memory. */
export class OrtCpuEngine<In, Out> implements Engine<In, Out> {
  readonly backend = 'wasm';
  readonly description: string;
  readonly #sessions = new Map<LoadedModel, Promise<Sessions>>();

  /** @param openMemory called for each stream: what it gives may keep buffers between calls */
  constructor(
    readonly runtime: OrtRuntime,
    readonly openMemory: () => FrameMemory<In, Out>,
  ) {
    this.description = `CPU, ${runtime.threads} thread${runtime.threads === 1 ? '' : 's'}`;
  }

  maxTilePixels(cost: GraphCost): number {
    return TILE_BYTES / cost.peakBytesPerPixel;
  }

  async open(model: LoadedModel, shape: StreamShape): Promise<EngineStream<In, Out>> {
    return new OrtCpuStream(this.runtime, this.openMemory(), model, await this.#sessionsOf(model), shape);
  }

  async runTile(model: LoadedModel, frames: Float32Array, size: Size): Promise<Float32Array> {
    const { manifest } = model;
    const { encode, fuse } = await this.#sessionsOf(model);
    const area = size.width * size.height * 3;
    const slots: Planes[] = [];
    for (let i = 0; i < manifest.window; i++) {
      const planes: Planes = new Map([['frame', frames.slice(i * area, (i + 1) * area)]]);
      await runEncode(this.runtime, encode, model, planes, size);
      slots.push(planes);
    }
    return runFuse(this.runtime, fuse, model, slots, size);
  }

  dispose(): void {
    for (const opening of this.#sessions.values()) {
      opening.then(
        ({ encode, fuse }) => this.runtime.exclusive(() => Promise.all([encode.release(), fuse.release()])),
        () => undefined,
      );
    }
    this.#sessions.clear();
  }

  /** The sessions of a model, made once: their dimensions stay free, so any tile size runs in them. */
  #sessionsOf(model: LoadedModel): Promise<Sessions> {
    let sessions = this.#sessions.get(model);
    if (!sessions) {
      sessions = this.#createSessions(model);
      sessions.catch(() => this.#sessions.delete(model));
      this.#sessions.set(model, sessions);
    }
    return sessions;
  }

  async #createSessions({ manifest, files }: LoadedModel): Promise<Sessions> {
    const create = (file: string): Promise<InferenceSession> =>
      this.runtime.exclusive(async () => {
        const bytes = files.get(file);
        if (!bytes) throw new UpscaleError('model-invalid', `The file ${file} of ${manifest.name} is missing.`);
        return this.runtime.ort.InferenceSession.create(bytes, {
          executionProviders: ['wasm'],
          graphOptimizationLevel: 'all',
        });
      });
    return { encode: await create(manifest.encode.file), fuse: await create(manifest.fuse.file) };
  }
}

/** The tensors of one frame by plane name, `[channels, height / stride, width / stride]`. */
type Planes = Map<string, Float32Array>;

function planeSpec(model: LoadedModel, name: string): PlaneSpec {
  const spec = model.manifest.planes[name];
  if (!spec) throw new UpscaleError('model-invalid', `The model ${model.manifest.name} has no plane ${name}.`);
  return spec;
}

function planeOf(planes: Planes, name: string): Float32Array {
  const plane = planes.get(name);
  if (!plane) throw new UpscaleError('engine-failed', `The plane ${name} has not been computed yet.`);
  return plane;
}

function tensor(runtime: OrtRuntime, data: Float32Array, { channels, stride }: PlaneSpec, size: Size): Tensor {
  return new runtime.ort.Tensor('float32', data, [1, channels, size.height / stride, size.width / stride]);
}

async function runEncode(
  runtime: OrtRuntime,
  session: InferenceSession,
  model: LoadedModel,
  planes: Planes,
  size: Size,
): Promise<void> {
  const { inputs, outputs } = model.manifest.encode;
  const feeds: Record<string, Tensor> = {};
  for (const [name, plane] of Object.entries(inputs)) {
    feeds[name] = tensor(runtime, planeOf(planes, plane), planeSpec(model, plane), size);
  }
  for (const plane of Object.values(outputs)) free(planes.get(plane));
  const results = await runtime.exclusive(() => session.run(feeds));
  for (const [name, plane] of Object.entries(outputs)) planes.set(plane, dataOf(results[name], name));
}

/** Gives memory back now, where the platform can: the garbage collector would come a hundred megabytes later. */
function free(data: Float32Array | undefined): void {
  const buffer = data?.buffer as (ArrayBuffer & { transfer?(length: number): ArrayBuffer }) | undefined;
  buffer?.transfer?.(0);
}

async function runFuse(
  runtime: OrtRuntime,
  session: InferenceSession,
  model: LoadedModel,
  window: readonly Planes[],
  size: Size,
): Promise<Float32Array> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { plane, slot }] of Object.entries(model.manifest.fuse.inputs)) {
    feeds[name] = tensor(runtime, planeOf(window[slot] as Planes, plane), planeSpec(model, plane), size);
  }
  const results = await runtime.exclusive(() => session.run(feeds));
  return dataOf(results[model.manifest.fuse.output], model.manifest.fuse.output);
}

function dataOf(result: Tensor | undefined, name: string): Float32Array {
  if (!(result?.data instanceof Float32Array)) {
    throw new UpscaleError('model-invalid', `The graph does not answer with an fp32 tensor named ${name}.`);
  }
  return result.data;
}

/** A stream whose ring is in main memory. A picture of one tile is passed to the graphs as it is, without a copy of ours. */
class OrtCpuStream<In, Out> implements EngineStream<In, Out> {
  readonly times: StageTimes = noTimes();
  readonly #slots: Planes[];
  readonly #output: Size;
  readonly #pixels: Uint8ClampedArray;
  /** Tensors cut for one tile, reused from tile to tile: by graph input name. */
  readonly #cuts = new Map<string, Float32Array>();
  /** Encoder planes that the fuse graph reads of the centre only: the largest ones, features. */
  readonly #centreOnly: readonly string[];
  /** One plane by name that was retired and can be used again. */
  readonly #spare: Planes = new Map();

  constructor(
    readonly runtime: OrtRuntime,
    readonly memory: FrameMemory<In, Out>,
    readonly model: LoadedModel,
    readonly sessions: Sessions,
    readonly shape: StreamShape,
  ) {
    const { scale } = model.manifest;
    this.#slots = Array.from({ length: shape.slots }, () => new Map());
    const { encode, fuse, window } = model.manifest;
    const centre = (window - 1) / 2;
    const elsewhere = new Set(
      Object.values(fuse.inputs).flatMap(({ plane, slot }) => (slot === centre ? [] : [plane])),
    );
    this.#centreOnly = Object.values(encode.outputs).filter((plane) => !elsewhere.has(plane));
    this.#output = { width: shape.size.width * scale, height: shape.size.height * scale };
    this.#pixels = new Uint8ClampedArray(this.#output.width * this.#output.height * 4).fill(255);
  }

  async pack(frame: In, slot: number): Promise<void> {
    const start = performance.now();
    const source = await this.memory.read(frame);
    const read = performance.now();
    const { width, height } = this.shape.encode.picture;
    packRgb(source, this.#plane(slot, 'frame'), width, height);
    this.times.copyIn += read - start;
    this.times.pack += performance.now() - read;
  }

  async compare(slot: number, previous: number): Promise<Uint8Array> {
    const start = performance.now();
    const { width, height } = this.shape.encode.picture;
    const { align } = this.model.manifest;
    const cells = differingCells(this.#plane(slot, 'frame'), this.#plane(previous, 'frame'), width, height, align);
    this.times.compare += performance.now() - start;
    return cells;
  }

  async encode(slot: number): Promise<void> {
    const { picture, tileSize, tiles } = this.shape.encode;
    const planes = this.#slots[slot] as Planes;
    for (const plane of Object.values(this.model.manifest.encode.inputs)) this.#plane(slot, plane);
    if (tiles.length === 1) {
      await this.#timed('encode', runEncode(this.runtime, this.sessions.encode, this.model, planes, picture));
      return;
    }
    const { inputs, outputs } = this.model.manifest.encode;
    for (const tile of tiles) {
      const start = performance.now();
      const cut: Planes = new Map();
      for (const plane of Object.values(inputs)) cut.set(plane, this.#cut(`encode ${plane}`, slot, plane, tile));
      this.times.gather += performance.now() - start;
      await this.#timed('encode', runEncode(this.runtime, this.sessions.encode, this.model, cut, tileSize));
      const stop = performance.now();
      for (const name of Object.values(outputs)) {
        const spec = planeSpec(this.model, name);
        const inner = strided(
          { ...tile.core, x: tile.core.x - tile.outer.x, y: tile.core.y - tile.outer.y },
          spec.stride,
        );
        copyRect(
          planeOf(cut, name),
          this.#planeSize(tileSize, spec),
          this.#plane(slot, name),
          this.#planeSize(picture, spec),
          spec.channels,
          inner,
          strided(tile.core, spec.stride),
        );
      }
      this.times.gather += performance.now() - stop;
    }
  }

  async fuse(window: readonly number[], tile: Tile): Promise<void> {
    const { tileSize, tiles } = this.shape.fuse;
    const start = performance.now();
    const slots = window.map((slot, position): Planes => {
      if (tiles.length === 1) return this.#slots[slot] as Planes;
      const cut: Planes = new Map();
      for (const input of Object.values(this.model.manifest.fuse.inputs)) {
        if (input.slot !== position) continue;
        cut.set(input.plane, this.#cut(`${position} ${input.plane}`, slot, input.plane, tile));
      }
      return cut;
    });
    this.times.gather += performance.now() - start;
    const out = await this.#timed('fuse', runFuse(this.runtime, this.sessions.fuse, this.model, slots, tileSize));
    const stop = performance.now();
    stitchTile(out, tile.outer, tile.core, this.model.manifest.scale, this.#pixels, this.#output);
    free(out);
    this.times.stitch += performance.now() - stop;
  }

  retire(slot: number): void {
    const planes = this.#slots[slot] as Planes;
    for (const name of this.#centreOnly) {
      const plane = planes.get(name);
      // With one tile the encoder's results are the planes: new ones come with each frame.
      if (plane && this.shape.encode.tiles.length > 1) this.#spare.set(name, plane);
      else free(plane);
      planes.delete(name);
    }
  }

  async output(times: FrameTimes): Promise<Out> {
    const start = performance.now();
    const frame = this.memory.write(this.#pixels, this.#output, times);
    this.times.out += performance.now() - start;
    return frame;
  }

  dispose(): void {
    this.#spare.clear();
    for (const slot of this.#slots) slot.clear();
    this.#cuts.clear();
  }

  async #timed<T>(stage: keyof StageTimes, work: Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work;
    this.times[stage] += performance.now() - start;
    return result;
  }

  #planeSize(size: Size, { stride }: PlaneSpec): Size {
    return { width: size.width / stride, height: size.height / stride };
  }

  /** A slot's whole-picture plane, made on first use. */
  #plane(slot: number, name: string): Float32Array {
    const planes = this.#slots[slot] as Planes;
    let plane = planes.get(name) ?? this.#spare.get(name);
    if (plane) {
      this.#spare.delete(name);
    } else {
      const spec = planeSpec(this.model, name);
      const size = this.#planeSize(this.shape.encode.picture, spec);
      plane = new Float32Array(spec.channels * size.width * size.height);
    }
    planes.set(name, plane);
    return plane;
  }

  /** One tile of a plane, in memory that is reused for the next tile. */
  #cut(key: string, slot: number, name: string, tile: Tile): Float32Array {
    const spec = planeSpec(this.model, name);
    const { picture } = this.shape.encode;
    const size = this.#planeSize(tile.outer, spec);
    let cut = this.#cuts.get(key);
    if (!cut) {
      cut = new Float32Array(spec.channels * size.width * size.height);
      this.#cuts.set(key, cut);
    }
    copyRect(
      this.#plane(slot, name),
      this.#planeSize(picture, spec),
      cut,
      size,
      spec.channels,
      strided(tile.outer, spec.stride),
      { x: 0, y: 0 },
    );
    return cut;
  }
}
