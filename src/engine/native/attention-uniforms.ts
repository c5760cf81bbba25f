import type { GpuScope } from '../webgpu/device.js';

/**
 * A uniform buffer of small entries that are written once and then read at their dynamic offset: what a command that is
 * recorded now reads stays as it is, while others are added. When it is full the entry that was not asked for longest
 * goes, so `capacity` must be more than what one submission reads.
 */
export class UniformTable {
  readonly buffer: GPUBuffer;
  readonly #step: number;
  /** Offsets by key, the one asked for last at the end. */
  readonly #offsets = new Map<string, number>();

  constructor(
    readonly scope: GpuScope,
    label: string,
    readonly entryBytes: number,
    readonly capacity: number,
  ) {
    const alignment = scope.gpu.device.limits.minUniformBufferOffsetAlignment;
    this.#step = Math.ceil(entryBytes / alignment) * alignment;
    this.buffer = scope.buffer(label, capacity * this.#step, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  /** The offset of an entry, which `data` makes where it is new: 32-bit numbers, at most `entryBytes` of them. */
  offset(key: string, data: () => Uint32Array<ArrayBuffer>): number {
    let offset = this.#offsets.get(key);
    if (offset === undefined) {
      offset = this.#free();
      this.scope.gpu.queue.writeBuffer(this.buffer, offset, data());
    } else {
      this.#offsets.delete(key);
    }
    this.#offsets.set(key, offset);
    return offset;
  }

  #free(): number {
    if (this.#offsets.size < this.capacity) return this.#offsets.size * this.#step;
    const [key, offset] = this.#offsets.entries().next().value as [string, number];
    this.#offsets.delete(key);
    return offset;
  }
}
