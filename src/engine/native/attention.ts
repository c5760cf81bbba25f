import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { Rect } from '../engine.js';
import type { GpuScope } from '../webgpu/device.js';
import { fuseWgsl } from './attention-fuse.js';
import { Kernel } from './attention-kernel.js';
import { keysWgsl, keysWorkgroups } from './attention-keys.js';
import { packEncode, packFuse } from './attention-pack.js';
import { attentionPlan, bytesOf, vectors } from './attention-plan.js';
import { type AttentionSettings, BLOCK, KEY_POOL } from './attention-settings.js';
import { UniformTable } from './attention-uniforms.js';
import type { AttentionWeights } from './attention-weights.js';
import type { Precision } from './conv.js';

const PLACE_BYTES = 32;
/** More rectangles than a submission's tiles. */
const PLACES = 1024;
const NEIGHBOUR_BYTES = 16;
/** More windows than a submission's centres. */
const WINDOWS = 256;

/**
 * The attention of a mana-live network on whole-picture planes `[height][width][C / 4]` of vectors: keys and values of
 * each frame in a ring of slots, and one dispatch that attends to a window of them.
 */
export class Attention {
  /** Dispatches of one call. */
  readonly dispatches = { encode: 1, fuse: 1 } as const;
  readonly #picture: Size;
  readonly #slots: number;
  readonly #keys: GPUBuffer;
  readonly #values: GPUBuffer;
  readonly #scratch: GPUBuffer;
  readonly #keyBytes: number;
  readonly #valueBytes: number;
  readonly #places: UniformTable;
  readonly #windows: UniformTable;
  readonly #encode: Kernel;
  readonly #fuse: Kernel;

  /**
   * @param picture low-resolution pixels of the planes, multiples of 8
   * @param slots frames whose keys and values are kept
   * @throws UpscaleError `backend-unavailable` where the device has too little of something
   */
  constructor(
    readonly scope: GpuScope,
    readonly settings: AttentionSettings,
    readonly weights: AttentionWeights,
    picture: Size,
    slots: number,
    precision: Precision,
  ) {
    if (![picture.width, picture.height].every((length) => length > 0 && length % BLOCK === 0)) {
      throw new TypeError(
        `picture must have sides that are multiples of ${BLOCK}, not ${picture.width}x${picture.height}.`,
      );
    }
    const { gpu } = scope;
    this.#picture = { width: picture.width, height: picture.height };
    this.#slots = slots;
    const positions = (picture.width / KEY_POOL) * (picture.height / KEY_POOL);
    this.#keyBytes = positions * vectors(settings.dim) * 4 * bytesOf(precision);
    this.#valueBytes = positions * vectors(settings.valueDim) * 4 * bytesOf(precision);
    const largest = slots * Math.max(this.#keyBytes, this.#valueBytes);
    const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits;
    if (largest > Math.min(maxStorageBufferBindingSize, maxBufferSize)) {
      throw new UpscaleError(
        'backend-unavailable',
        `The GPU has no buffers of ${largest} bytes, which attention needs.`,
        {
          recoverable: false,
        },
      );
    }
    this.#keys = scope.buffer('keys', slots * this.#keyBytes);
    this.#values = scope.buffer('values', slots * this.#valueBytes);
    this.#scratch = scope.buffer('keys or values of a frame', Math.max(this.#keyBytes, this.#valueBytes));
    this.#places = new UniformTable(scope, 'places', PLACE_BYTES, PLACES);
    const frames = settings.attendFrames.length;
    this.#windows = new UniformTable(scope, 'windows', frames * NEIGHBOUR_BYTES, WINDOWS);

    const upload = (label: string, data: Uint8Array<ArrayBuffer>): GPUBuffer => {
      const buffer = scope.buffer(label, data.byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
      gpu.queue.writeBuffer(buffer, 0, data);
      return buffer;
    };
    const encode = packEncode(settings, weights, precision);
    const encodeWeights = upload('weights of keys and values', encode.data);
    this.#encode = new Kernel(
      scope,
      'keys and values',
      keysWgsl(settings, encode.at, precision),
      ['read-only-storage', 'read-only-storage', 'storage', 'storage', 'uniform'],
      ([feat]) => [feat, encodeWeights, this.#keys, this.#values, { buffer: this.#places.buffer, size: PLACE_BYTES }],
    );
    const fuse = packFuse(settings, weights, precision);
    const fuseWeights = upload('weights of attention', fuse.data);
    const read = 'read-only-storage';
    this.#fuse = new Kernel(
      scope,
      'attention',
      fuseWgsl(settings, attentionPlan(settings, precision), fuse.at, precision),
      [read, read, read, read, read, 'storage', 'uniform', 'uniform'],
      ([feat, z, base]) => [
        ...[feat, base, this.#keys, this.#values, fuseWeights, z],
        { buffer: this.#places.buffer, size: PLACE_BYTES },
        { buffer: this.#windows.buffer, size: frames * NEIGHBOUR_BYTES },
      ],
    );
  }

  /** Keys and values of the frame in a slot, from its feat plane. */
  recordEncode(pass: GPUComputePassEncoder, feat: GPUBuffer, slot: number, rect: Rect): void {
    this.#encode.record(
      pass,
      [feat],
      [this.#place(rect, this.#checked(slot))],
      keysWorkgroups(this.settings, rect.width, rect.height),
    );
  }

  /**
   * z = base + attention of the frame whose features are `feat`.
   * @param window slots of all frames of the window, oldest first; of some only their number in it matters
   * @param z neither `feat` nor `base`
   * @param base what attention is added to, another plane than `feat` where the network adds other parts before
   */
  record(
    pass: GPUComputePassEncoder,
    feat: GPUBuffer,
    window: readonly number[],
    z: GPUBuffer,
    rect: Rect,
    base: GPUBuffer = feat,
  ): void {
    const slots = this.settings.attendFrames.map((frame) => this.#checked(window[frame]));
    const neighbours = this.#windows.offset(slots.join(), () => this.#neighbours(slots));
    const blocks = [rect.width / BLOCK, rect.height / BLOCK] as const;
    this.#fuse.record(pass, [feat, z, base], [this.#place(rect, 0), neighbours], blocks);
  }

  /** Copies keys and values of one slot to another. */
  copy(encoder: GPUCommandEncoder, from: number, to: number): void {
    if (this.#checked(from) === this.#checked(to)) return;
    for (const [ring, bytes] of [
      [this.#keys, this.#keyBytes],
      [this.#values, this.#valueBytes],
    ] as const) {
      // Within one buffer nothing can be copied.
      encoder.copyBufferToBuffer(ring, from * bytes, this.#scratch, 0, bytes);
      encoder.copyBufferToBuffer(this.#scratch, 0, ring, to * bytes, bytes);
    }
  }

  /** The rings, for tests: `[slots][height / 2][width / 2][D / 4 or V / 4]` vectors. */
  get rings(): { readonly keys: GPUBuffer; readonly values: GPUBuffer } {
    return { keys: this.#keys, values: this.#values };
  }

  #checked(slot: number | undefined): number {
    if (slot !== undefined && Number.isInteger(slot) && slot >= 0 && slot < this.#slots) return slot;
    throw new TypeError(`Slots of attention must be integers from 0 to ${this.#slots - 1}, not ${slot}.`);
  }

  #place({ x, y, width, height }: Rect, slot: number): number {
    const { width: across, height: down } = this.#picture;
    const fits = [x, y, width, height].every((length) => length >= 0 && length % BLOCK === 0);
    if (!fits || x + width > across || y + height > down) {
      throw new TypeError(`A rectangle of attention must lie on the grid of ${BLOCK} pixels within the picture.`);
    }
    return this.#places.offset(`${x},${y},${width},${height},${slot}`, () =>
      Uint32Array.of(x, y, width, height, across, down, slot, 0),
    );
  }

  #neighbours(slots: readonly number[]): Uint32Array<ArrayBuffer> {
    const numbers = new Uint32Array((slots.length * NEIGHBOUR_BYTES) / 4);
    const floats = new Float32Array(numbers.buffer);
    slots.forEach((slot, t) => {
      numbers[4 * t] = slot;
      floats[4 * t + 1] = this.weights.tau[t] as number;
      floats[4 * t + 2] = 0.5 / (this.weights.std[t] as number) ** 2;
    });
    return numbers;
  }
}
