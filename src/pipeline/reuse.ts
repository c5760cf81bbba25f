import type { Rect, TilePlan } from '../engine/engine.js';
import { alignUp, type Manifest } from '../model/manifest.js';
import { grow } from './tiles.js';

/**
 * Which version of each tile's input a frame shows: the index of the last frame that changed any pixel the tile's core
 * depends on. Two frames of a stream show a tile's input alike exactly when these numbers are equal.
 */
export type TileVersions = Int32Array;

/**
 * Finds tiles that need no computing because all their inputs are those of the output before. Pure.
 *
 * The inputs are pictures. If the encoder is recurrent, what it makes of a picture that stands still goes on changing with
 * what it remembers; a tile that is kept is then the answer of the moment its picture came to rest, at a stream's start
 * one with nothing remembered. How near that is to the network depends on its weights. It is the only approximation:
 * every frame is encoded, so that what is remembered is always right.
 */
export class TileReuse {
  readonly #regions: readonly Rect[];
  readonly #columns: number;
  readonly #cell: number;

  constructor(manifest: Manifest, plan: TilePlan) {
    const { align, reach } = manifest;
    // What an exact tile depends on is the tile: its core.
    const dependence = manifest.tile ? 0 : alignUp(reach.decode, align) + alignUp(reach.attend + reach.encode, align);
    this.#cell = align;
    this.#columns = plan.picture.width / align;
    this.#regions = plan.tiles.map(({ core }) => grow(core, dependence, plan.picture));
  }

  /** Versions of the first frame of a stream. */
  first(): TileVersions {
    return new Int32Array(this.#regions.length);
  }

  /**
   * Versions of a frame, from those of the frame before and the cells that differ between the two.
   * @param index the frame's place in the stream
   * @param cells a byte per cell, row by row, not 0 where the cell differs
   */
  next(before: TileVersions, index: number, cells: Uint8Array): TileVersions {
    return before.map((version, tile) => (this.#touches(this.#regions[tile] as Rect, cells) ? index : version));
  }

  #touches(region: Rect, cells: Uint8Array): boolean {
    const right = (region.x + region.width) / this.#cell;
    const bottom = (region.y + region.height) / this.#cell;
    for (let y = region.y / this.#cell; y < bottom; y++) {
      for (let x = region.x / this.#cell; x < right; x++) {
        if (cells[y * this.#columns + x]) return true;
      }
    }
    return false;
  }
}

/**
 * Whether a tile's seven inputs are those of the window before.
 * @param now versions of the window's frames, oldest first
 * @param before the same of the output before
 */
export function sameInputs(
  tile: number,
  now: readonly (TileVersions | undefined)[],
  before: readonly (TileVersions | undefined)[],
): boolean {
  return now.every((versions, slot) => versions !== undefined && versions[tile] === before[slot]?.[tile]);
}
