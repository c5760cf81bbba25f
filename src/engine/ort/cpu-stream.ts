import { packRgb } from '../../frame/colour.js';
import type { FrameTimes, PlanarFrame, Size } from '../../frame/frame.js';
import {
  type Comparison,
  type EngineStream,
  type LoadedModel,
  noTimes,
  type StageTimes,
  type StreamShape,
  type Tile,
} from '../engine.js';
import { differingCells, thumbnailOf } from '../planes.js';
import { type CpuPicture, cpuPicture } from './cpu-picture.js';
import { CpuRing } from './cpu-ring.js';
import type { GraphRunner, Ports } from './graph-runner.js';

/** How one stream of an engine in main memory reads source frames and makes output frames. */
export interface FrameMemory<In, Out> {
  read(frame: In): PlanarFrame | Promise<PlanarFrame>;
  /** @param pixels R, G, B, X bytes of the whole picture; they change after the call, so they must be copied */
  write(pixels: Uint8ClampedArray, size: Size, times: FrameTimes): Out;
}

/** A stream whose ring is in main memory. */
export class OrtCpuStream<In, Out> implements EngineStream<In, Out> {
  readonly times: StageTimes = noTimes();
  readonly timed = 'wall';
  readonly #ring: CpuRing;
  readonly #output: Size;
  readonly #picture: CpuPicture;

  constructor(
    readonly runner: GraphRunner,
    readonly memory: FrameMemory<In, Out>,
    readonly model: LoadedModel,
    readonly shape: StreamShape,
  ) {
    const { scale } = model.manifest;
    this.#ring = new CpuRing(model, shape);
    this.#output = { width: shape.size.width * scale, height: shape.size.height * scale };
    this.#picture = cpuPicture(shape.fuse, scale, this.#output);
  }

  get bytes(): number {
    return this.#ring.bytes + this.#picture.bytes;
  }

  async pack(frame: In, slot: number): Promise<void> {
    const start = performance.now();
    const source = await this.memory.read(frame);
    const read = performance.now();
    const { width, height } = this.shape.encode.picture;
    packRgb(source, this.#ring.frame(slot), width, height);
    this.times.copyIn += read - start;
    this.times.pack += performance.now() - read;
  }

  /** Packs numbers as they are: planar R'G'B' `[3, height, width]` of the padded size, 0..1. */
  load(slot: number, rgb: Float32Array): void {
    this.#ring.frame(slot).set(rgb);
  }

  compare(slot: number, previous: number): Comparison {
    const start = performance.now();
    const { width, height } = this.shape.encode.picture;
    const { align } = this.model.manifest;
    const frame = this.#ring.frame(slot);
    const comparison = {
      changed: differingCells(frame, this.#ring.frame(previous), width, height, align),
      thumbnail: thumbnailOf(frame, width, height),
    };
    this.times.compare += performance.now() - start;
    return comparison;
  }

  async encode(slot: number, previous?: number): Promise<void> {
    const { tiles } = this.shape.encode;
    const { lanes } = this.runner;
    for (let i = 0; i < tiles.length; i += lanes) {
      await Promise.all(tiles.slice(i, i + lanes).map((tile) => this.#encodeTile(slot, previous, tile)));
    }
  }

  async #encodeTile(slot: number, previous: number | undefined, tile: Tile): Promise<void> {
    const { inputs, outputs } = this.model.manifest.encode;
    const start = performance.now();
    const ports: Ports = {};
    for (const [name, { plane, age }] of Object.entries(inputs)) {
      const from = age === 0 ? slot : previous;
      ports[name] =
        from === undefined ? this.#ring.zeros(plane, tile.outer) : this.#ring.read(from, plane, tile, `encode ${name}`);
    }
    for (const plane of Object.values(outputs)) this.#ring.discard(slot, plane, tile);
    this.times.gather += performance.now() - start;
    const { tileSize } = this.shape.encode;
    const results = await this.#timed('encode', this.runner.run(this.model, 'encode', ports, tileSize));
    const stop = performance.now();
    for (const [name, plane] of Object.entries(outputs)) {
      this.#ring.write(slot, plane, tile, results[name] as Float32Array);
    }
    this.times.gather += performance.now() - stop;
  }

  async repeat(slot: number, previous: number): Promise<void> {
    const start = performance.now();
    for (const plane of Object.values(this.model.manifest.encode.outputs)) this.#ring.copy(slot, plane, previous);
    this.times.gather += performance.now() - start;
  }

  async fuse(window: readonly number[], tile: Tile): Promise<void> {
    const out = await this.answer(window, tile);
    const start = performance.now();
    this.#picture.put(tile, out);
    this.times.stitch += performance.now() - start;
  }

  async enlarge(slot: number, tiles: readonly Tile[]): Promise<void> {
    const start = performance.now();
    this.#picture.enlarge(this.#ring.frame(slot), tiles);
    this.times.enlarge += performance.now() - start;
  }

  /** The network's own output for a tile of the window: `[3, height * scale, width * scale]`, not clamped. */
  async answer(window: readonly number[], tile: Tile): Promise<Float32Array> {
    const start = performance.now();
    const ports: Ports = {};
    for (const [name, { plane, slot }] of Object.entries(this.model.manifest.fuse.inputs)) {
      ports[name] = this.#ring.read(window[slot] as number, plane, tile, `fuse ${name}`);
    }
    this.times.gather += performance.now() - start;
    const { tileSize } = this.shape.fuse;
    const results = await this.#timed('fuse', this.runner.run(this.model, 'fuse', ports, tileSize));
    return results[this.model.manifest.fuse.output] as Float32Array;
  }

  async settled(): Promise<void> {}

  retire(slot: number): void {
    this.#ring.retire(slot);
  }

  async output(times: FrameTimes): Promise<Out> {
    const start = performance.now();
    const frame = this.memory.write(this.#picture.finish(), this.#output, times);
    this.times.out += performance.now() - start;
    return frame;
  }

  dispose(): void {
    this.#ring.dispose();
  }

  async #timed<T>(stage: keyof StageTimes, work: Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work;
    this.times[stage] += performance.now() - start;
    return result;
  }
}
