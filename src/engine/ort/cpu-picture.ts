import type { Size } from '../../frame/frame.js';
import { TileBlender } from '../blend.js';
import type { Tile, TilePlan } from '../engine.js';
import { resampledTile, TileEnlarger } from '../enlarge.js';
import { Resampler } from '../mitchell.js';
import { stitchTile } from '../planes.js';
import { free } from './graph-runner.js';

/** A stream's output picture in main memory, R, G, B, X bytes. */
export interface CpuPicture {
  /** Takes over the network's output for a tile, `[3, height * scale, width * scale]`. */
  put(tile: Tile, out: Float32Array): void;
  /**
   * Resamples tiles for the next output; see `EngineStream.enlarge`.
   * @param frame the packed picture `[3, height, width]`
   */
  enlarge(frame: Float32Array, tiles: readonly Tile[]): void;
  /** The finished picture, for one output. It changes after the call. */
  finish(): Uint8ClampedArray;
  /** Bytes of the buffers that are kept. */
  readonly bytes: number;
}

/** The output picture for a plan. @param size in output pixels */
export function cpuPicture(plan: TilePlan, scale: number, size: Size): CpuPicture {
  return plan.overlap > 0 ? new BlendedPicture(plan, scale, size) : new SideBySidePicture(plan, scale, size);
}

function opaque({ width, height }: Size): Uint8ClampedArray {
  return new Uint8ClampedArray(width * height * 4).fill(255);
}

/** Of tiles whose cores lie side by side. */
class SideBySidePicture implements CpuPicture {
  readonly #network: Uint8ClampedArray;
  readonly #finished: Uint8ClampedArray;
  readonly #enlarger: TileEnlarger;
  #resampled = false;

  constructor(
    plan: TilePlan,
    readonly scale: number,
    readonly size: Size,
  ) {
    this.#network = opaque(size);
    this.#finished = opaque(size);
    this.#enlarger = new TileEnlarger(plan, scale, size);
  }

  get bytes(): number {
    return 2 * this.#network.byteLength + this.#enlarger.bytes;
  }

  put(tile: Tile, out: Float32Array): void {
    stitchTile(out, tile.outer, tile.core, this.scale, this.#network, this.size);
    free(out);
  }

  enlarge(frame: Float32Array, tiles: readonly Tile[]): void {
    this.#enlarger.enlarge(frame, tiles, this.#network, this.#finished);
    this.#resampled = true;
  }

  finish(): Uint8ClampedArray {
    const picture = this.#resampled ? this.#finished : this.#network;
    this.#resampled = false;
    return picture;
  }
}

/** Of tiles that overlap: a resampled tile takes the place of the network's answer, and is blended like one. */
class BlendedPicture implements CpuPicture {
  readonly #pixels: Uint8ClampedArray;
  readonly #blender: TileBlender;
  readonly #resampler: Resampler;

  constructor(plan: TilePlan, scale: number, size: Size) {
    this.#pixels = opaque(size);
    this.#blender = new TileBlender(plan, scale, this.#pixels, size);
    this.#resampler = new Resampler(plan.picture, scale);
  }

  get bytes(): number {
    return this.#pixels.byteLength + this.#blender.bytes + this.#resampler.bytes;
  }

  put(tile: Tile, out: Float32Array): void {
    free(this.#blender.put(tile, out));
  }

  enlarge(frame: Float32Array, tiles: readonly Tile[]): void {
    for (const tile of tiles) this.put(tile, resampledTile(this.#resampler, frame, tile));
  }

  finish(): Uint8ClampedArray {
    return this.#pixels;
  }
}
