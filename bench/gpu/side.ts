import type { LoadedModel, StreamShape } from '../../src/engine/engine.js';
import { WebGpuEngine } from '../../src/engine/webgpu/engine.js';
import type { NetworkLease } from '../../src/engine/webgpu/network.js';
import type { WebGpuStream } from '../../src/engine/webgpu/stream.js';

/** Whose clock a stream's frames are timed by. */
export type Clock = 'wall' | 'gpu';

/** Most frames that are timed one by one by the GPU's clock. */
const MOST_TIMED = 24;

/** One of the two engines on one network and size: streams are opened on it one after another. */
export class Side {
  #lease: NetworkLease | undefined;
  #stream: WebGpuStream | undefined;
  #frame = 0;

  constructor(
    readonly engine: WebGpuEngine,
    readonly model: LoadedModel,
    readonly shape: StreamShape,
  ) {}

  /** Opens a stream whose window is full of these pictures: planar R'G'B' of the padded size. Replaces the one before. */
  async open(clock: Clock, pictures: readonly Float32Array[]): Promise<void> {
    const { engine, model, shape } = this;
    const { gpu, networks } = engine;
    // Held as long as this: what it compiled is not to be compiled again for the next stream.
    this.#lease ??= await networks.lease(model, shape, { alwaysCut: false });
    await this.#stream?.disposed();
    const ways = { imports: new Set<string>(), presentation: 'memory' as const };
    const stream = await new WebGpuEngine(gpu, networks, ways, clock === 'gpu').open(model, shape);
    this.#stream = stream;
    this.#frame = 0;
    for (const picture of pictures) {
      stream.load(this.#frame, picture);
      await this.#next(stream);
    }
    await stream.settled();
  }

  /** Pixels of the newest output, RGBX. */
  async pixels(): Promise<Uint8Array> {
    const frame = await this.#open().output({ timestampUs: 0 });
    const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
    const data = new Uint8Array(width * height * 4);
    await frame.copyTo(data, { format: 'RGBX', layout: [{ offset: 0, stride: width * 4 }] });
    frame.close();
    return data;
  }

  /** Milliseconds of a frame, out of some that are submitted one behind the other and waited for once. */
  async wall(frames: number): Promise<number> {
    const stream = this.#open();
    const start = performance.now();
    for (let i = 0; i < frames; i++) await this.#next(stream);
    await stream.settled();
    return (performance.now() - start) / frames;
  }

  /** Milliseconds of a frame on the GPU's clock: both graphs, and what surrounds them in tiles. */
  async gpu(frames: number): Promise<number> {
    const stream = this.#open();
    const count = Math.min(frames, MOST_TIMED);
    const sum = () => {
      const { encode, gather, fuse, stitch } = stream.times;
      return encode + gather + fuse + stitch;
    };
    const before = sum();
    for (let i = 0; i < count; i++) {
      await this.#next(stream);
      // Times are collected at outputs, and told before the output's pixels are.
      (await stream.output({ timestampUs: 0 })).close();
    }
    return (sum() - before) / count;
  }

  async close(): Promise<void> {
    await this.#stream?.disposed();
    await this.#lease?.release();
  }

  #open(): WebGpuStream {
    if (!this.#stream) throw new Error('No stream is open.');
    return this.#stream;
  }

  /** Encodes and fuses one frame of a stream. The window's pictures come round again and again. */
  async #next(stream: WebGpuStream): Promise<void> {
    const { slots, fuse } = this.shape;
    const slot = this.#frame % slots;
    await stream.encode(slot, this.#frame > 0 ? (slot + slots - 1) % slots : undefined);
    // Of frames before the stream's first, that one stands in.
    const window = Array.from({ length: slots }, (_, i) => Math.max(0, this.#frame - slots + 1 + i) % slots);
    for (const tile of fuse.tiles) await stream.fuse(window, tile);
    this.#frame++;
  }
}
