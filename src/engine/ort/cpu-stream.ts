import { packRgb } from '../../frame/colour.js';
import type { FrameTimes, PlanarFrame, Size } from '../../frame/frame.js';
import type { PlaneSpec } from '../../model/manifest.js';
import {
  type EngineStream,
  type LoadedModel,
  noTimes,
  type StageTimes,
  type StreamShape,
  type Tile,
} from '../engine.js';
import { copyRect, differingCells, stitchTile, strided } from '../planes.js';
import { free, type Planes, planeOf, planeSpec, runEncode, runFuse, type Sessions } from './cpu-graphs.js';
import type { OrtRuntime } from './runtime.js';

/** How one stream of an engine in main memory reads source frames and makes output frames. */
export interface FrameMemory<In, Out> {
  read(frame: In): PlanarFrame | Promise<PlanarFrame>;
  /** @param pixels R, G, B, X bytes of the whole picture; they change after the call, so they must be copied */
  write(pixels: Uint8ClampedArray, size: Size, times: FrameTimes): Out;
}

/** A stream whose ring is in main memory. A picture of one tile is passed to the graphs as it is, without a copy of ours. */
export class OrtCpuStream<In, Out> implements EngineStream<In, Out> {
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
