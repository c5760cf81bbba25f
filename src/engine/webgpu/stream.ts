import { UpscaleError } from '../../frame/errors.js';
import type { FrameTimes, Size } from '../../frame/frame.js';
import { PlaneReader } from '../../frame/video-frame.js';
import type { PlaneSpec } from '../../model/manifest.js';
import {
  type EngineStream,
  type LoadedModel,
  noTimes,
  type StageTimes,
  type StreamShape,
  type Tile,
} from '../engine.js';
import { strided } from '../planes.js';
import { Comparer } from './compare.js';
import { RectCopier, type RectCopy } from './copy-rect.js';
import type { GpuDevice, GpuScope } from './device.js';
import type { TileGraph } from './graph.js';
import { Packer } from './pack.js';
import { type Presentation, Presenter } from './present.js';
import { canImport, type Imports } from './probe.js';
import { ReadBack } from './read-back.js';
import { Stitcher } from './stitch.js';

/** What a stream is made of. */
export interface StreamParts {
  readonly model: LoadedModel;
  readonly shape: StreamShape;
  readonly encode: TileGraph;
  readonly fuse: TileGraph;
  readonly imports: Imports;
  readonly presentation: Presentation;
  /** Called when the stream no longer uses the graphs. */
  readonly release: () => Promise<void>;
  /** Cut tiles out with the kernels even where a tile is the whole picture. */
  readonly alwaysCut?: boolean;
}

/** One copy between the ring and a graph's port: number `index` of the copier's list. */
interface Cut {
  readonly plane: string;
  /** Position in the window; 0 for the encoder, which sees one frame. */
  readonly position: number;
  readonly port: GPUBuffer;
  readonly index: number;
}

/** Ring and output picture of one stream in GPU memory, all of it made when the stream is opened. */
export class WebGpuStream implements EngineStream<VideoFrame, VideoFrame> {
  readonly gpu: GpuDevice;
  readonly times: StageTimes = noTimes();
  /** Whole-picture planes by slot and plane name: fp32 `[channels, height / stride, width / stride]`. */
  readonly #slots: readonly ReadonlyMap<string, GPUBuffer>[];
  readonly #reader = new PlaneReader();
  readonly #readBack: ReadBack;
  readonly #packer: Packer;
  readonly #comparer: Comparer;
  readonly #presenter: Presenter;
  readonly #stitcher: Stitcher;
  readonly #copier: RectCopier;
  /** By tile: what goes into the encoder, comes out of it, goes into fuse. */
  readonly #encodeIn: readonly (readonly Cut[])[];
  readonly #encodeOut: readonly (readonly Cut[])[];
  readonly #fuseIn: readonly (readonly Cut[])[];
  readonly #running = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  private constructor(
    readonly scope: GpuScope,
    readonly parts: StreamParts,
  ) {
    this.gpu = scope.gpu;
    const { shape, encode, fuse } = parts;
    const { manifest } = parts.model;
    const { picture } = shape.encode;
    const output = { width: shape.size.width * manifest.scale, height: shape.size.height * manifest.scale };
    this.#slots = Array.from({ length: shape.slots }, (_, slot) => {
      const planes = Object.entries(manifest.planes).map(([name, spec]): [string, GPUBuffer] => {
        const { width, height } = planeSize(picture, spec);
        return [name, scope.buffer(`slot ${slot} ${name}`, spec.channels * width * height * 4)];
      });
      return new Map(planes);
    });
    this.#readBack = new ReadBack(scope);
    this.#packer = new Packer(scope, shape.size, picture);
    this.#comparer = new Comparer(scope, this.#readBack, picture, manifest.align);
    this.#presenter = new Presenter(scope, this.#readBack, output, parts.presentation);
    const { scale } = manifest;
    this.#stitcher = new Stitcher(
      scope,
      shape.fuse.tiles,
      scale,
      fuse.output(manifest.fuse.output),
      this.#presenter.picture,
    );
    const copies: RectCopy[] = [];
    const cut = (plane: string, position: number, port: GPUBuffer, copy: (spec: PlaneSpec) => RectCopy): Cut => {
      const index = copies.push(copy(this.#spec(plane))) - 1;
      return { plane, position, port, index };
    };
    this.#encodeIn = shape.encode.tiles.map((tile) =>
      Object.entries(manifest.encode.inputs).map(([name, plane]) =>
        cut(plane, 0, encode.input(name), (spec) => gather(tile, spec, picture)),
      ),
    );
    this.#encodeOut = shape.encode.tiles.map((tile) =>
      Object.entries(manifest.encode.outputs).map(([name, plane]) =>
        cut(plane, 0, encode.output(name), (spec) => scatter(tile, spec, picture)),
      ),
    );
    this.#fuseIn = shape.fuse.tiles.map((tile) =>
      Object.entries(manifest.fuse.inputs).map(([name, { plane, slot }]) =>
        cut(plane, slot, fuse.input(name), (spec) => gather(tile, spec, picture)),
      ),
    );
    this.#copier = new RectCopier(scope, copies);
  }

  /** @throws UpscaleError `backend-unavailable` where the GPU's memory is not enough */
  static async create(gpu: GpuDevice, parts: StreamParts): Promise<WebGpuStream> {
    const scope = gpu.scope();
    try {
      return await gpu.checked(() => new WebGpuStream(scope, parts));
    } catch (thrown) {
      scope.dispose();
      throw thrown;
    }
  }

  pack(frame: VideoFrame, slot: number): Promise<void> {
    return this.#call(async () => {
      const packed = this.#plane(slot, 'frame');
      if (canImport(this.parts.imports, frame, this.parts.shape.size)) {
        await this.#timed('copyIn', async () => this.#packer.fromTexture(frame, packed));
        return;
      }
      const planar = await this.#timed('copyIn', () => this.#reader.read(frame));
      await this.#timed('pack', async () => this.#packer.fromBytes(planar, packed));
    });
  }

  /** Packs numbers as they are: planar R'G'B' `[3, height, width]` of the padded size, 0..1. */
  load(slot: number, rgb: Float32Array): void {
    this.gpu.queue.writeBuffer(this.#plane(slot, 'frame'), 0, rgb as Float32Array<ArrayBuffer>);
  }

  /** A packed picture as numbers, `[3, height, width]` of the padded size. For checks. */
  packed(slot: number): Promise<Float32Array> {
    const plane = this.#plane(slot, 'frame');
    const { width, height } = this.parts.shape.encode.picture;
    return this.#call(() => this.#numbers(plane, 3 * width * height));
  }

  compare(slot: number, previous: number): Promise<Uint8Array> {
    return this.#call(() =>
      this.#timed('compare', () => this.#comparer.compare(this.#plane(slot, 'frame'), this.#plane(previous, 'frame'))),
    );
  }

  encode(slot: number): Promise<void> {
    return this.#call(async () => {
      const { shape, encode } = this.parts;
      for (const { index } of shape.encode.tiles) {
        await encode.runtime.exclusive(async () => {
          await this.#timed('gather', async () =>
            this.#copy(this.#encodeIn[index], [slot], 'in', shape.encode.tiles.length),
          );
          await this.#timed('encode', () => encode.run());
          await this.#timed('gather', async () =>
            this.#copy(this.#encodeOut[index], [slot], 'out', shape.encode.tiles.length),
          );
        });
      }
    });
  }

  fuse(window: readonly number[], tile: Tile): Promise<void> {
    return this.#call(() =>
      this.#fuse(window, tile.index, () =>
        this.#timed('stitch', async () => this.gpu.submit((encoder) => this.#stitcher.record(encoder, tile.index))),
      ),
    );
  }

  /** The network's own output for the window, when the plan is one tile: `[3, height * scale, width * scale]`. */
  async answer(window: readonly number[]): Promise<Float32Array> {
    const out = this.parts.fuse.output(this.parts.model.manifest.fuse.output);
    const { width, height } = this.parts.shape.fuse.tileSize;
    const length = 3 * width * height * this.parts.model.manifest.scale ** 2;
    return this.#call(() => this.#fuse(window, 0, () => this.#numbers(out, length)));
  }

  /** Nothing: the ring's buffers are made once and stay. */
  retire(): void {}

  output(times: FrameTimes): Promise<VideoFrame> {
    return this.#call(async () => {
      // A queue behind our back would be delay that nobody sees, and a lost device would show as a black frame.
      await this.#timed('wait', () => this.gpu.settled());
      return this.#timed('out', () => this.#presenter.frame(times));
    });
  }

  /** Frees everything once the calls under way have ended. */
  dispose(): void {
    void this.disposed();
  }

  /** {@link dispose}, and answers when it is done. */
  disposed(): Promise<void> {
    // On a lost device calls may never end.
    this.#disposed ??= Promise.allSettled(this.gpu.fault ? [] : this.#running).then(() => {
      this.#presenter.dispose();
      this.scope.dispose();
      return this.parts.release();
    });
    return this.#disposed;
  }

  async #fuse<T>(window: readonly number[], index: number, then: () => Promise<T>): Promise<T> {
    const { shape, fuse } = this.parts;
    return fuse.runtime.exclusive(async () => {
      await this.#timed('gather', async () => this.#copy(this.#fuseIn[index], window, 'in', shape.fuse.tiles.length));
      await this.#timed('fuse', () => fuse.run());
      return then();
    });
  }

  #numbers(buffer: GPUBuffer, length: number): Promise<Float32Array> {
    return this.#readBack.read(
      length * 4,
      (encoder, staging) => encoder.copyBufferToBuffer(buffer, 0, staging, 0, length * 4),
      (mapped) => new Float32Array(mapped).slice(0, length),
    );
  }

  /** Copies a tile between the ring's slots and a graph's ports: with kernels, or plainly when it is the whole picture. */
  #copy(cuts: readonly Cut[] = [], window: readonly number[], way: 'in' | 'out', tiles: number): void {
    this.gpu.submit((encoder) => {
      const pass = tiles > 1 || this.parts.alwaysCut ? encoder.beginComputePass() : undefined;
      for (const { plane, position, port, index } of cuts) {
        const slot = this.#plane(window[position] as number, plane);
        const [from, to] = way === 'in' ? [slot, port] : [port, slot];
        if (pass) this.#copier.record(pass, index, from, to);
        else encoder.copyBufferToBuffer(from, 0, to, 0, Math.min(from.size, to.size));
      }
      pass?.end();
    });
  }

  async #timed<T>(stage: keyof StageTimes, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.times[stage] += performance.now() - start;
    }
  }

  #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#disposed) return Promise.reject(new UpscaleError('engine-failed', 'The stream has been disposed.'));
    let done: Promise<T> | undefined;
    const call = this.gpu.guard(() => {
      done = work();
      return done;
    });
    // The work itself, not the guarded call: that one gives up on a lost device while the work may still be unwinding.
    const running = Promise.resolve(done ?? call)
      .catch(() => undefined)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    return call;
  }

  #plane(slot: number, name: string): GPUBuffer {
    const plane = this.#slots[slot]?.get(name);
    if (!plane) throw new UpscaleError('engine-failed', `The ring has no plane ${name} in slot ${slot}.`);
    return plane;
  }

  #spec(name: string): PlaneSpec {
    const spec = this.parts.model.manifest.planes[name];
    if (!spec) throw new UpscaleError('model-invalid', `The model has no plane ${name}.`);
    return spec;
  }
}

/** The size of a plane of a picture of this size. */
export function planeSize({ width, height }: Size, { stride }: PlaneSpec): Size {
  return { width: width / stride, height: height / stride };
}

/** The tile's outer rectangle, out of the picture. */
function gather(tile: Tile, spec: PlaneSpec, picture: Size): RectCopy {
  const { channels, stride } = spec;
  const sizes = { sourceSize: planeSize(picture, spec), targetSize: planeSize(tile.outer, spec) };
  return { channels, from: strided(tile.outer, stride), to: { x: 0, y: 0 }, ...sizes };
}

/** The tile's core, back into the picture. */
function scatter(tile: Tile, spec: PlaneSpec, picture: Size): RectCopy {
  const { core, outer } = tile;
  const { channels, stride } = spec;
  const sizes = { sourceSize: planeSize(outer, spec), targetSize: planeSize(picture, spec) };
  const from = strided({ ...core, x: core.x - outer.x, y: core.y - outer.y }, stride);
  return { channels, from, to: strided(core, stride), ...sizes };
}
