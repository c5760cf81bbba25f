import { reasonOf, UpscaleError } from '../../frame/errors.js';

/** Limits that are raised to what the adapter has: ONNX Runtime, whole-picture planes and weights use them. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxUniformBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** Features that are used where they exist, by ONNX Runtime or, `timestamp-query`, by us. */
const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as const;

/** A WGSL module with the entry point `main`. */
export interface WgslModule {
  readonly label: string;
  readonly code: string;
}

/** What a scope owns. */
type GpuResource = GPUBuffer | GPUTexture | GPUQuerySet;

/**
 * A GPU device, the buffers and textures made on it, and what became of it.
 *
 * An error that WebGPU reports outside any call (out of memory, validation) is taken as a loss: what was computed since
 * cannot be trusted. After a loss every call rejects.
 */
export class GpuDevice {
  readonly #live = new Set<GpuResource>();
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #pending = new Set<(reason: UpscaleError) => void>();
  #fault: UpscaleError | undefined;

  private constructor(
    readonly device: GPUDevice,
    readonly adapterName: string,
    onLost: (reason: string) => void,
  ) {
    const lose = (code: 'backend-unavailable' | 'engine-failed', reason: string): void => {
      if (this.#fault) return;
      this.#fault = new UpscaleError(code, reason);
      for (const reject of this.#pending) reject(this.#fault);
      this.#pending.clear();
      onLost(reason);
    };
    device.lost.then(({ message, reason }) =>
      lose('backend-unavailable', `The GPU device was lost: ${message || reason}`),
    );
    device.addEventListener('uncapturederror', ({ error }) => {
      lose(
        error instanceof GPUOutOfMemoryError ? 'backend-unavailable' : 'engine-failed',
        `WebGPU: ${reasonOf(error.message)}`,
      );
    });
  }

  /**
   * Requests a device with all that the adapter can give.
   * @throws UpscaleError `backend-unavailable`
   */
  static async request(adapter: GPUAdapter | undefined, onLost: (reason: string) => void): Promise<GpuDevice> {
    const found = adapter ?? (await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }));
    if (!found)
      throw new UpscaleError('backend-unavailable', 'This browser has no WebGPU adapter.', { recoverable: false });
    try {
      const device = await found.requestDevice({
        label: 'mana-upscale',
        requiredFeatures: FEATURES.filter((feature) => found.features.has(feature)),
        requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, found.limits[limit]])),
      });
      const { vendor, architecture } = found.info;
      return new GpuDevice(device, [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter', onLost);
    } catch (cause) {
      throw new UpscaleError('backend-unavailable', `The adapter gave no device: ${reasonOf(cause)}`, { cause });
    }
  }

  /** Why nothing runs here any more, once that is so. */
  get fault(): UpscaleError | undefined {
    return this.#fault;
  }

  get queue(): GPUQueue {
    return this.device.queue;
  }

  /** Buffers, textures and sets of queries made in scopes of this device and not freed yet. */
  get liveResources(): number {
    return this.#live.size;
  }

  /** A set of resources that are freed together. */
  scope(): GpuScope {
    return new GpuScope(this, this.#live);
  }

  /** The compute pipeline of a WGSL module with the entry point `main`; one per source text. */
  pipeline(label: string, code: string, layout: GPUPipelineLayout | 'auto' = 'auto'): GPUComputePipeline {
    let pipeline = this.#pipelines.get(code);
    if (!pipeline) {
      const module = this.device.createShaderModule({ label, code });
      pipeline = this.device.createComputePipeline({ label, layout, compute: { module, entryPoint: 'main' } });
      this.#pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  /**
   * Compiles modules beside all else that goes on, so that {@link pipeline} finds them made. Large ones take their time, and
   * meanwhile the browser's GPU process would do nothing for anybody.
   * @throws GPUPipelineError where a module is wrong
   */
  async compile(modules: readonly WgslModule[]): Promise<void> {
    const { device } = this;
    await Promise.all(
      modules.map(async ({ label, code }) => {
        if (this.#pipelines.has(code)) return;
        const module = device.createShaderModule({ label, code });
        const compute = { module, entryPoint: 'main' };
        this.#pipelines.set(code, await device.createComputePipelineAsync({ label, layout: 'auto', compute }));
      }),
    );
  }

  /** Records commands and submits them at once. Gives back what `record` does. */
  submit<T>(record: (encoder: GPUCommandEncoder) => T): T {
    const encoder = this.device.createCommandEncoder();
    const result = record(encoder);
    this.queue.submit([encoder.finish()]);
    return result;
  }

  /**
   * Runs `make`, which must not wait, and answers with its result once the device has said that nothing went wrong.
   * @throws UpscaleError `backend-unavailable` where memory was not enough, `engine-failed` where a call was invalid
   */
  async checked<T>(make: () => T): Promise<T> {
    this.device.pushErrorScope('validation');
    this.device.pushErrorScope('out-of-memory');
    let result: T;
    let errors: Promise<(GPUError | null)[]>;
    try {
      result = make();
    } finally {
      errors = Promise.all([this.device.popErrorScope(), this.device.popErrorScope()]);
      errors.catch(() => undefined);
    }
    const [memory, validation] = await errors;
    if (memory)
      throw new UpscaleError('backend-unavailable', `The GPU's memory is not enough: ${reasonOf(memory.message)}`);
    if (validation) throw new UpscaleError('engine-failed', `WebGPU: ${reasonOf(validation.message)}`);
    return result;
  }

  /**
   * Answers when the GPU has done all that was submitted.
   * @throws UpscaleError where the device turned out to be lost
   */
  async settled(): Promise<void> {
    await this.queue.onSubmittedWorkDone().catch(() => undefined);
    if (this.#fault) throw this.#fault;
  }

  /** Awaits `work`, but not beyond the loss of the device. Rejects with {@link UpscaleError} only. */
  guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#fault) return Promise.reject(this.#fault);
    // Not Promise.race: a promise that lives as long as the device would collect a reaction from every call.
    return new Promise<T>((resolve, reject) => {
      this.#pending.add(reject);
      const done = (settle: () => void): void => {
        this.#pending.delete(reject);
        if (this.#fault) reject(this.#fault);
        else settle();
      };
      work().then(
        (value) => done(() => resolve(value)),
        // A call may fail just before the loss that made it fail is told.
        (thrown: unknown) => this.settled().then(() => done(() => reject(asUpscaleError(thrown))), reject),
      );
    });
  }

  /** Destroys the device, and with it what is left. Calls that still wait reject; `onLost` is not called. */
  destroy(): void {
    this.#fault ??= new UpscaleError('engine-failed', 'The engine has been disposed.');
    for (const reject of this.#pending) reject(this.#fault);
    this.#pending.clear();
    this.device.destroy();
  }
}

/** Buffers, textures and sets of queries that live and die together. */
export class GpuScope {
  readonly #own = new Set<GpuResource>();
  readonly #live: Set<GpuResource>;
  #bytes = 0;

  /** Use {@link GpuDevice.scope}. */
  constructor(
    readonly gpu: GpuDevice,
    live: Set<GpuResource>,
  ) {
    this.#live = live;
  }

  /** Bytes of all that is alive in it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A buffer of at least `bytes`, rounded up to 16; one that kernels and graphs read and write, unless told. */
  buffer(
    label: string,
    bytes: number,
    usage: number = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  ): GPUBuffer {
    return this.#keep(this.gpu.device.createBuffer({ label, size: Math.ceil(bytes / 16) * 16, usage }));
  }

  /** A uniform buffer of 32-bit numbers that never change. */
  constants(label: string, data: Uint32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.buffer(label, data.byteLength, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    this.gpu.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  texture(descriptor: GPUTextureDescriptor): GPUTexture {
    return this.#keep(this.gpu.device.createTexture(descriptor));
  }

  /** A set of times of the GPU's clock. */
  queries(count: number): GPUQuerySet {
    return this.#keep(this.gpu.device.createQuerySet({ type: 'timestamp', count }));
  }

  free(resource: GpuResource): void {
    if (!this.#own.delete(resource)) return;
    this.#live.delete(resource);
    this.#bytes -= bytesOf(resource);
    resource.destroy();
  }

  dispose(): void {
    for (const resource of this.#own) this.free(resource);
  }

  #keep<T extends GpuResource>(resource: T): T {
    this.#own.add(resource);
    this.#live.add(resource);
    this.#bytes += bytesOf(resource);
    return resource;
  }
}

/** Textures are all of four bytes a pixel, times of eight. */
function bytesOf(resource: GpuResource): number {
  if ('size' in resource) return resource.size;
  return 'width' in resource ? 4 * resource.width * resource.height : 8 * resource.count;
}

function asUpscaleError(thrown: unknown): UpscaleError {
  if (thrown instanceof UpscaleError) return thrown;
  return new UpscaleError('engine-failed', `The GPU engine failed: ${reasonOf(thrown)}`, { cause: thrown });
}
