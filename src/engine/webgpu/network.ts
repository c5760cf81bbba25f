import type { Size } from '../../frame/frame.js';
import type { LoadedModel, StageTimes, StreamShape, Tile } from '../engine.js';
import type { GpuScope } from './device.js';
import type { GpuPicture } from './picture.js';
import type { Marks, StageTimer } from './timer.js';

/** What a {@link GpuNetwork} is made with. */
export interface NetworkParts {
  readonly scope: GpuScope;
  readonly timer: StageTimer;
  readonly model: LoadedModel;
  readonly shape: StreamShape;
  /** The output picture, in its pixels. */
  readonly output: Size;
  /** Submits a stage's commands. */
  submit(stage: keyof StageTimes, commands: (encoder: GPUCommandEncoder) => void): Promise<Marks>;
}

/** A network on the GPU, with the planes of a stream's frames: what makes the picture of packed frames. */
export interface GpuNetwork {
  /** Packed pictures by slot, planar fp32 R'G'B' `[3, height, width]`. */
  readonly frames: readonly GPUBuffer[];
  readonly picture: GpuPicture;
  /** As `EngineStream` has it. */
  encode(slot: number, previous: number | undefined): Promise<void>;
  repeat(slot: number, previous: number): Promise<void>;
  fuse(window: readonly number[], tile: Tile): Promise<void>;
  /**
   * Fuses the one tile of a plan and hands over the answer itself, not clamped.
   * @param read is given `[3, height * scale, width * scale]`
   */
  answer<T>(window: readonly number[], read: (out: GPUBuffer) => Promise<T>): Promise<T>;
}

/** What streams of one model and shape share, until it is released. */
export interface NetworkLease {
  /** Whether runs replay commands that were recorded once. */
  readonly captured: boolean;
  /** Makes a stream's own. Must not wait. */
  make(parts: NetworkParts): GpuNetwork;
  release(): Promise<void>;
}

/** Makes networks. */
export interface NetworkSource {
  readonly backend: 'webgpu' | 'webgpu-native';
  /**
   * @param options.alwaysCut cut tiles out even where a tile is the whole picture, so that this is tried, too
   * @throws UpscaleError `backend-unavailable` where this source has no such network
   */
  lease(model: LoadedModel, shape: StreamShape, options: { readonly alwaysCut: boolean }): Promise<NetworkLease>;
}
