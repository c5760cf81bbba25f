import { UpscaleError } from '../../frame/errors.js';
import type { FrameTimes } from '../../frame/frame.js';
import { PlaneReader } from '../../frame/video-frame.js';
import { type Comparison, type EngineStream, noTimes, type StageTimes, type Tile } from '../engine.js';
import { Comparer } from './compare.js';
import type { GpuDevice, GpuScope } from './device.js';
import { Packer } from './pack.js';
import { type GpuPicture, gpuPicture } from './picture.js';
import { type Presentation, Presenter } from './present.js';
import { canImport, type Imports } from './probe.js';
import { ReadBack } from './read-back.js';
import { GpuRing, type RingParts } from './ring.js';

/** What a stream is made of. */
export interface StreamParts extends RingParts {
  readonly imports: Imports;
  readonly presentation: Presentation;
  /** Called when the stream no longer uses the graphs. */
  readonly release: () => Promise<void>;
}

/** Ring and output picture of one stream in GPU memory, all of it made when the stream is opened. */
export class WebGpuStream implements EngineStream<VideoFrame, VideoFrame> {
  readonly gpu: GpuDevice;
  readonly times: StageTimes = noTimes();
  readonly #ring: GpuRing;
  readonly #reader = new PlaneReader();
  readonly #readBack: ReadBack;
  readonly #packer: Packer;
  readonly #comparer: Comparer;
  readonly #presenter: Presenter;
  readonly #picture: GpuPicture;
  readonly #running = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  private constructor(
    readonly scope: GpuScope,
    readonly parts: StreamParts,
  ) {
    this.gpu = scope.gpu;
    const { shape, fuse } = parts;
    const { manifest } = parts.model;
    const { picture } = shape.encode;
    const output = { width: shape.size.width * manifest.scale, height: shape.size.height * manifest.scale };
    this.#ring = new GpuRing(scope, parts);
    this.#readBack = new ReadBack(scope);
    this.#packer = new Packer(scope, shape.size, picture);
    this.#comparer = new Comparer(scope, this.#readBack, picture, manifest.align);
    this.#presenter = new Presenter(scope, this.#readBack, output, parts.presentation);
    this.#picture = gpuPicture(scope, {
      plan: shape.fuse,
      scale: manifest.scale,
      size: output,
      frames: Array.from({ length: shape.slots }, (_, slot) => this.#ring.plane(slot, 'frame')),
      out: fuse.output(manifest.fuse.output),
    });
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
      const packed = this.#ring.plane(slot, 'frame');
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
    this.gpu.queue.writeBuffer(this.#ring.plane(slot, 'frame'), 0, rgb as Float32Array<ArrayBuffer>);
  }

  /** A packed picture as numbers, `[3, height, width]` of the padded size. For checks. */
  packed(slot: number): Promise<Float32Array> {
    const plane = this.#ring.plane(slot, 'frame');
    const { width, height } = this.parts.shape.encode.picture;
    return this.#call(() => this.#numbers(plane, 3 * width * height));
  }

  compare(slot: number, previous: number): Promise<Comparison> {
    return this.#call(() =>
      this.#timed('compare', () =>
        this.#comparer.compare(this.#ring.plane(slot, 'frame'), this.#ring.plane(previous, 'frame')),
      ),
    );
  }

  encode(slot: number, previous?: number): Promise<void> {
    return this.#call(async () => {
      const { shape, encode } = this.parts;
      for (const { index } of shape.encode.tiles) {
        await encode.runtime.exclusive(async () => {
          await this.#timed('gather', async () =>
            this.gpu.submit((encoder) => this.#ring.feedEncode(encoder, index, slot, previous)),
          );
          await this.#timed('encode', () => encode.run());
          await this.#timed('gather', async () =>
            this.gpu.submit((encoder) => this.#ring.keepEncoded(encoder, index, slot)),
          );
        });
      }
    });
  }

  repeat(slot: number, previous: number): Promise<void> {
    return this.#call(() =>
      this.#timed('gather', async () => this.gpu.submit((encoder) => this.#ring.copyEncoded(encoder, slot, previous))),
    );
  }

  fuse(window: readonly number[], tile: Tile): Promise<void> {
    return this.#call(() =>
      this.#fuse(window, tile.index, () =>
        this.#timed('stitch', async () => this.gpu.submit((encoder) => this.#picture.put(encoder, tile))),
      ),
    );
  }

  enlarge(slot: number, tiles: readonly Tile[]): Promise<void> {
    return this.#call(() =>
      this.#timed('enlarge', async () => this.gpu.submit((encoder) => this.#picture.enlarge(encoder, slot, tiles))),
    );
  }

  /** The network's own output for the window, when the plan is one tile: `[3, height * scale, width * scale]`. */
  async answer(window: readonly number[]): Promise<Float32Array> {
    const out = this.parts.fuse.output(this.parts.model.manifest.fuse.output);
    const { width, height } = this.parts.shape.fuse.tileSize;
    const length = 3 * width * height * this.parts.model.manifest.scale ** 2;
    return this.#call(() => this.#fuse(window, 0, () => this.#numbers(out, length)));
  }

  settled(): Promise<void> {
    return this.#call(() => this.gpu.settled());
  }

  /** Nothing: the ring's buffers are made once and stay. */
  retire(): void {}

  output(times: FrameTimes): Promise<VideoFrame> {
    return this.#call(async () => {
      // A queue behind our back would be delay that nobody sees, and a lost device would show as a black frame.
      await this.#timed('wait', () => this.gpu.settled());
      return this.#timed('out', () => this.#presenter.frame(this.#picture.finish(), times));
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
    const { fuse } = this.parts;
    return fuse.runtime.exclusive(async () => {
      await this.#timed('gather', async () =>
        this.gpu.submit((encoder) => this.#ring.feedFuse(encoder, index, window)),
      );
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
}
