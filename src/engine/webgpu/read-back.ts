import type { GpuScope } from './device.js';

/** Reads GPU memory: submits now, answers when it is mapped, and keeps the staging buffers for the next time. */
export class ReadBack {
  readonly #idle = new Map<number, GPUBuffer[]>();

  constructor(readonly scope: GpuScope) {}

  /**
   * @param record adds commands that end in a copy of `bytes` bytes into the staging buffer
   * @param use reads the mapped bytes; they are gone when it returns
   */
  async read<T>(
    bytes: number,
    record: (encoder: GPUCommandEncoder, staging: GPUBuffer) => void,
    use: (mapped: ArrayBuffer) => T,
  ): Promise<T> {
    const size = Math.ceil(bytes / 16) * 16;
    const staging =
      this.#idle.get(size)?.pop() ??
      this.scope.buffer('read back', size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    try {
      this.scope.gpu.submit((encoder) => record(encoder, staging));
      await staging.mapAsync(GPUMapMode.READ);
      const result = use(staging.getMappedRange());
      staging.unmap();
      const idle = this.#idle.get(size);
      if (idle) idle.push(staging);
      else this.#idle.set(size, [staging]);
      return result;
    } catch (thrown) {
      this.scope.free(staging);
      throw thrown;
    }
  }
}
