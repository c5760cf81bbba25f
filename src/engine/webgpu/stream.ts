import { UpscaleError } from '../../frame/errors.js';
import type { FrameTimes } from '../../frame/frame.js';
import { PlaneReader } from '../../frame/video-frame.js';
import {
  type Comparison,
  type EngineStream,
  type LoadedModel,
  noTimes,
  type StageTimes,
  type StreamShape,
  type Tile,
} from '../engine.js';
import { Comparer } from './compare.js';
import type { GpuDevice, GpuScope } from './device.js';
import type { GpuNetwork, NetworkLease } from './network.js';
import { Packer } from './pack.js';
import { type Presentation, Presenter } from './present.js';
import { canImport, type Imports } from './probe.js';
import { ReadBack } from './read-back.js';
import { type Marks, type StageTimer, stageTimer } from './timer.js';

/** What a stream is made of. */
export interface StreamParts {
  readonly model: LoadedModel;
  readonly shape: StreamShape;
  readonly network: NetworkLease;
  readonly imports: Imports;
  readonly presentation: Presentation;
  /** Take stage times from the GPU's clock where it has one. */
  readonly gpuTimes: boolean;
  /** Called when the stream is over. */
  readonly release: () => Promise<void>;
}

/** One stream on the GPU: frames come in and go out, a network makes the picture. All of it is made when the stream is opened. */
export class WebGpuStream implements EngineStream<VideoFrame, VideoFrame> {
  readonly gpu: GpuDevice;
  readonly times: StageTimes = noTimes();
  readonly #timer: StageTimer;
  readonly #network: GpuNetwork;
  readonly #reader = new PlaneReader();
  readonly #readBack: ReadBack;
  readonly #packer: Packer;
  readonly #comparer: Comparer;
  readonly #presenter: Presenter;
  readonly #running = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  private constructor(
    readonly scope: GpuScope,
    readonly parts: StreamParts,
  ) {
    this.gpu = scope.gpu;
    const { shape, model } = parts;
    const { manifest } = model;
    const { picture } = shape.encode;
    const output = { width: shape.size.width * manifest.scale, height: shape.size.height * manifest.scale };
    this.#timer = stageTimer(scope, this.times, marksOf(shape), parts.gpuTimes);
    this.#network = parts.network.make({
      scope,
      timer: this.#timer,
      model,
      shape,
      output,
      submit: (stage, commands) => this.#submit(stage, commands),
    });
    this.#readBack = new ReadBack(scope);
    this.#packer = new Packer(scope, shape.size, picture, this.#timer);
    this.#comparer = new Comparer(scope, this.#readBack, this.#timer, picture, manifest.align);
    this.#presenter = new Presenter(scope, this.#readBack, output, parts.presentation);
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

  get timed(): 'gpu' | 'wall' {
    return this.#timer.timed;
  }

  get bytes(): number {
    return this.scope.bytes;
  }

  pack(frame: VideoFrame, slot: number): Promise<void> {
    return this.#call(async () => {
      const packed = this.#frame(slot);
      if (canImport(this.parts.imports, frame, this.parts.shape.size)) {
        await this.#timed('copyIn', async () => this.#packer.fromTexture(frame, packed));
        return;
      }
      const planar = await this.#timed('copyIn', () => this.#reader.read(frame));
      await this.#timer.wait('pack', async () => this.#packer.fromBytes(planar, packed));
    });
  }

  /** Packs numbers as they are: planar R'G'B' `[3, height, width]` of the padded size, 0..1. */
  load(slot: number, rgb: Float32Array): void {
    this.gpu.queue.writeBuffer(this.#frame(slot), 0, rgb as Float32Array<ArrayBuffer>);
  }

  /** A packed picture as numbers, `[3, height, width]` of the padded size. For checks. */
  packed(slot: number): Promise<Float32Array> {
    const plane = this.#frame(slot);
    const { width, height } = this.parts.shape.encode.picture;
    return this.#call(() => this.#numbers(plane, 3 * width * height));
  }

  compare(slot: number, previous: number): Promise<Comparison> {
    return this.#call(() =>
      this.#timer.wait('compare', () => this.#comparer.compare(this.#frame(slot), this.#frame(previous))),
    );
  }

  encode(slot: number, previous?: number): Promise<void> {
    return this.#call(() => this.#network.encode(slot, previous));
  }

  repeat(slot: number, previous: number): Promise<void> {
    return this.#call(() => this.#network.repeat(slot, previous));
  }

  fuse(window: readonly number[], tile: Tile): Promise<void> {
    return this.#call(() => this.#network.fuse(window, tile));
  }

  enlarge(slot: number, tiles: readonly Tile[]): Promise<void> {
    return this.#call(async () => {
      await this.#submit('enlarge', (encoder) => this.#network.picture.enlarge(encoder, slot, tiles));
    });
  }

  /** The network's own output for the window, when the plan is one tile: `[3, height * scale, width * scale]`. */
  async answer(window: readonly number[]): Promise<Float32Array> {
    const { width, height } = this.parts.shape.fuse.tileSize;
    const length = 3 * width * height * this.parts.model.manifest.scale ** 2;
    return this.#call(() => this.#network.answer(window, (out) => this.#numbers(out, length)));
  }

  settled(): Promise<void> {
    return this.#call(() => this.gpu.settled());
  }

  /** Nothing: the ring's buffers are made once and stay. */
  retire(): void {}

  output(times: FrameTimes): Promise<VideoFrame> {
    return this.#call(async () => {
      this.#timer.collect();
      // A queue behind our back would be delay that nobody sees, and a lost device would show as a black frame.
      await this.#timer.wait('wait', () => this.gpu.settled());
      return this.#timed('out', () => this.#presenter.frame(this.#network.picture.finish(), times));
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

  #frame(slot: number): GPUBuffer {
    const frame = this.#network.frames[slot];
    if (!frame) throw new UpscaleError('engine-failed', `The stream has no slot ${slot}.`);
    return frame;
  }

  /** Submits a stage's commands. */
  async #submit(stage: keyof StageTimes, commands: (encoder: GPUCommandEncoder) => void): Promise<Marks> {
    return this.#timer.wait(stage, async () =>
      this.gpu.submit((encoder) => this.#timer.record(encoder, stage, () => commands(encoder))),
    );
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

/** Marks of the GPU's clock for one frame, encoded twice at most. */
function marksOf({ encode, fuse }: StreamShape): number {
  return 4 * (2 * encode.tiles.length + fuse.tiles.length) + 8;
}
