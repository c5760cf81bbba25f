import { UpscaleError } from '../../frame/errors.js';
import { type Size, sameSize } from '../../frame/frame.js';
import type { GraphCost } from '../../model/manifest.js';
import { type Engine, type LoadedModel, type StreamShape, wholePlan } from '../engine.js';
import { GpuDevice } from './device.js';
import type { NetworkLease, NetworkSource } from './network.js';
import type { Presentation } from './present.js';
import { type Imports, probeCanvas, probeImports } from './probe.js';
import { WebGpuStream } from './stream.js';

/** Memory that one tile's intermediate tensors may take. */
const TILE_BYTES = 512 * 2 ** 20;

/** Choices for an engine on WebGPU. */
export interface GpuEngineOptions {
  /** Called once when the GPU can no longer be used. Every call rejects from then on. */
  readonly onLost?: (reason: string) => void;
  /** Default: the browser's high-performance adapter. */
  readonly adapter?: GPUAdapter | undefined;
  /** Import and present frames on the GPU where probing finds that right. Default `true`; `false`: through main memory. */
  readonly textures?: boolean;
  /** Take stage times from the GPU's clock where it has one. Default `true`. */
  readonly gpuTimes?: boolean;
}

/**
 * An engine on WebGPU whose networks are `networks`: frames are packed, compared and presented on the same device.
 * @throws UpscaleError `backend-unavailable` where there is no adapter or device
 */
export async function createGpuEngine(
  options: GpuEngineOptions,
  networks: (gpu: GpuDevice) => NetworkSource,
): Promise<WebGpuEngine> {
  const ways = (options.textures ?? true) ? await probe() : THROUGH_MEMORY;
  const gpu = await GpuDevice.request(options.adapter, options.onLost ?? (() => undefined));
  return new WebGpuEngine(gpu, networks(gpu), ways, options.gpuTimes ?? true);
}

/** How frames get to the GPU and back. */
interface Ways {
  readonly imports: Imports;
  readonly presentation: Presentation;
}

const THROUGH_MEMORY: Ways = { imports: new Set(), presentation: 'memory' };

/** Probes on a device of its own: where a way does not work, trying it can cost the device. */
async function probe(): Promise<Ways> {
  const scout = await GpuDevice.request(undefined, () => undefined);
  try {
    const imports = await scout.guard(() => probeImports(scout));
    // A browser that imports no frame at all shares no pictures between GPU and page, and in software Chromium drawing
    // on a WebGPU canvas then ends the whole GPU process.
    const canvas = imports.size > 0 && (await scout.guard(() => probeCanvas(scout)));
    return { imports, presentation: canvas ? 'canvas' : 'memory' };
  } catch {
    return THROUGH_MEMORY;
  } finally {
    scout.destroy();
  }
}

/** See {@link createGpuEngine}. */
export class WebGpuEngine implements Engine<VideoFrame, VideoFrame> {
  readonly backend: 'webgpu' | 'webgpu-native';
  readonly lanes = 1;
  readonly half: boolean;
  readonly description: string;
  readonly imports: Imports;
  readonly presentation: Presentation;
  readonly #streams = new Set<Promise<WebGpuStream>>();
  /** Of golden tiles, by model. */
  readonly #asked = new Map<LoadedModel, Promise<WebGpuStream>>();
  #disposed: Promise<void> | undefined;

  constructor(
    readonly gpu: GpuDevice,
    readonly networks: NetworkSource,
    { imports, presentation }: Ways,
    readonly gpuTimes: boolean,
  ) {
    this.backend = networks.backend;
    this.imports = imports;
    this.presentation = presentation;
    this.half = gpu.device.features.has('shader-f16');
    this.description = `WebGPU${networks.backend === 'webgpu-native' ? ' kernels' : ''}, ${gpu.adapterName}`;
  }

  /** Buffers, textures and sets of queries of this engine that are alive. 0 once {@link disposed} has answered. */
  get liveResources(): number {
    return this.gpu.liveResources;
  }

  maxTilePixels(cost: GraphCost): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.gpu.device.limits;
    const largest = Math.min(maxStorageBufferBindingSize, maxBufferSize);
    return Math.min(largest / cost.largestBytesPerPixel, TILE_BYTES / cost.peakBytesPerPixel);
  }

  open(model: LoadedModel, shape: StreamShape): Promise<WebGpuStream> {
    return this.#open(model, shape, false);
  }

  async runTile(model: LoadedModel, frames: Float32Array, size: Size): Promise<Float32Array> {
    // Its ring is kept, because backends in use are asked again and again; one question after the other.
    const answer = (this.#asked.get(model) ?? Promise.resolve(undefined)).then(
      (kept) => this.#ask(kept, model, frames, size),
      () => this.#ask(undefined, model, frames, size),
    );
    const asked = answer.then(({ stream }) => stream);
    asked.catch(() => undefined);
    this.#asked.set(model, asked);
    return (await answer).out;
  }

  async #ask(
    kept: WebGpuStream | undefined,
    model: LoadedModel,
    frames: Float32Array,
    size: Size,
  ): Promise<{ out: Float32Array; stream: WebGpuStream }> {
    const plan = wholePlan(size);
    const { window } = model.manifest;
    const fits = kept !== undefined && sameSize(kept.parts.shape.size, size);
    if (!fits) await kept?.disposed();
    const shape = { size, encode: plan, fuse: plan, slots: window };
    const stream = fits ? kept : await this.#open(model, shape, true);
    try {
      const length = frames.length / window;
      const slots = Array.from({ length: window }, (_, slot) => slot);
      for (const slot of slots) {
        stream.load(slot, frames.subarray(slot * length, (slot + 1) * length));
        await stream.encode(slot, slots[slot - 1]);
      }
      // Asked twice, with other inputs first: the second answer is a replay where graph capture is on.
      await stream.answer(slots.toReversed());
      return { out: await stream.answer(slots), stream };
    } catch (thrown) {
      await stream.disposed();
      throw thrown;
    }
  }

  dispose(): void {
    void this.disposed();
  }

  /** {@link dispose}, and answers when everything has been freed. */
  disposed(): Promise<void> {
    this.#disposed ??= (async () => {
      const ended = [...this.#streams].map(async (opening) => (await opening).disposed());
      // On a lost device calls may never end.
      await Promise.allSettled(this.gpu.fault ? [] : ended);
      this.gpu.destroy();
    })();
    return this.#disposed;
  }

  #open(model: LoadedModel, shape: StreamShape, alwaysCut: boolean): Promise<WebGpuStream> {
    if (this.#disposed) return Promise.reject(new UpscaleError('engine-failed', 'The engine has been disposed.'));
    let network: NetworkLease | undefined;
    const release = async (): Promise<void> => {
      this.#streams.delete(opening);
      await network?.release();
    };
    const opening = this.gpu
      .guard(async () => {
        network = await this.networks.lease(model, shape, { alwaysCut });
        const { imports, presentation, gpuTimes } = this;
        return WebGpuStream.create(this.gpu, { model, shape, network, imports, presentation, gpuTimes, release });
      })
      .catch(async (thrown: unknown) => {
        await release();
        throw thrown;
      });
    this.#streams.add(opening);
    return opening;
  }
}
