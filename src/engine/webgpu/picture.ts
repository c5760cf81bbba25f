import type { Size } from '../../frame/frame.js';
import type { Tile, TilePlan } from '../engine.js';
import { Blender } from './blend.js';
import type { GpuScope } from './device.js';
import { Enlarger } from './enlarge.js';
import { TileResampler } from './resample.js';
import { Stitcher } from './stitch.js';

/** A stream's output picture on the GPU: `rgba8unorm`, full range sRGB, alpha 1. */
export interface GpuPicture {
  /** Resamples tiles for the next output, from the packed picture in a slot; see `EngineStream.enlarge`. */
  enlarge(encoder: GPUCommandEncoder, slot: number, tiles: readonly Tile[]): void;
  /** The finished picture, for one output. */
  finish(): GPUTexture;
}

/** A picture that is put together from the network's outputs. */
export interface StitchedPicture extends GpuPicture {
  /** Takes the network's output for a tile. */
  put(encoder: GPUCommandEncoder, tile: Tile): void;
}

/** What a picture is made of. */
export interface PictureParts {
  readonly plan: TilePlan;
  readonly scale: number;
  /** In output pixels. */
  readonly size: Size;
  /** Packed pictures, by slot. */
  readonly frames: readonly GPUBuffer[];
  /** The network's output for a tile, `[3, tile height * scale, tile width * scale]`. */
  readonly out: GPUBuffer;
}

/** The output picture for a plan. */
export function gpuPicture(scope: GpuScope, parts: PictureParts): StitchedPicture {
  return parts.plan.overlap > 0 ? new BlendedPicture(scope, parts) : new SideBySidePicture(scope, parts);
}

/** A texture that kernels write and frames are made of. */
export function pictureTexture(scope: GpuScope, label: string, { width, height }: Size): GPUTexture {
  const { STORAGE_BINDING, TEXTURE_BINDING, COPY_SRC, COPY_DST } = GPUTextureUsage;
  return scope.texture({
    label,
    size: [width, height],
    format: 'rgba8unorm',
    usage: STORAGE_BINDING | TEXTURE_BINDING | COPY_SRC | COPY_DST,
  });
}

/** Of tiles whose cores lie side by side, written by the network itself. */
export class DirectPicture implements GpuPicture {
  /** Where the network writes. */
  readonly network: GPUTexture;
  readonly #finished: GPUTexture;
  readonly #enlarger: Enlarger;
  #resampled = false;

  constructor(scope: GpuScope, { plan, scale, size, frames }: Omit<PictureParts, 'out'>) {
    this.network = pictureTexture(scope, 'output picture', size);
    this.#finished = pictureTexture(scope, 'finished picture', size);
    this.#enlarger = new Enlarger(scope, plan, scale, frames, this.network, this.#finished);
  }

  enlarge(encoder: GPUCommandEncoder, slot: number, tiles: readonly Tile[]): void {
    this.#enlarger.record(encoder, slot, tiles);
    this.#resampled = true;
  }

  finish(): GPUTexture {
    const picture = this.#resampled ? this.#finished : this.network;
    this.#resampled = false;
    return picture;
  }
}

/** Of tiles whose cores lie side by side. */
class SideBySidePicture extends DirectPicture implements StitchedPicture {
  readonly #stitcher: Stitcher;

  constructor(scope: GpuScope, parts: PictureParts) {
    super(scope, parts);
    this.#stitcher = new Stitcher(scope, parts.plan.tiles, parts.scale, parts.out, this.network);
  }

  put(encoder: GPUCommandEncoder, { index }: Tile): void {
    this.#stitcher.record(encoder, index);
  }
}

/** Of tiles that overlap: a resampled tile takes the place of the network's answer, and is blended like one. */
class BlendedPicture implements StitchedPicture {
  readonly #picture: GPUTexture;
  readonly #blender: Blender;
  readonly #resampler: TileResampler;

  constructor(scope: GpuScope, { plan, scale, size, frames, out }: PictureParts) {
    this.#picture = pictureTexture(scope, 'output picture', size);
    this.#blender = new Blender(scope, plan, scale, out, this.#picture);
    this.#resampler = new TileResampler(scope, plan, scale, frames, this.#blender.outs);
  }

  put(encoder: GPUCommandEncoder, { index }: Tile): void {
    this.#blender.take(encoder, index);
    this.#blender.record(encoder, index);
  }

  enlarge(encoder: GPUCommandEncoder, slot: number, tiles: readonly Tile[]): void {
    for (const tile of tiles) this.#resampler.record(encoder, slot, tile);
    for (const { index } of tiles) this.#blender.record(encoder, index);
  }

  finish(): GPUTexture {
    return this.#picture;
  }
}
