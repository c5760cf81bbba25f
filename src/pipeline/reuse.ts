import type { Rect, TilePlan } from '../engine/engine.js';
import { alignUp, type Manifest } from '../model/manifest.js';
import { grow } from './tiles.js';

/**
 * Which version of each tile's input a frame shows. Two frames of a stream show a tile's input alike exactly when the
 * numbers in `shown` are equal.
 */
export interface TileVersions {
  /** By tile, the index of the last frame whose answer may differ from that of the frame before it. */
  readonly shown: Int32Array;
  /** By tile, the index of the last frame that changed any pixel the tile's core depends on. */
  readonly changed: Int32Array;
}

/**
 * Frames that a picture must have stood still for until a recurrent encoder's answer counts as final. What it remembers
 * of the frames before fades to a level or less within about so many.
 */
const SETTLE = 12;

/**
 * Finds tiles that need no computing because all their inputs are those of the output before. Pure.
 *
 * The inputs are pictures. If the encoder is recurrent, what it makes of a picture that stands still goes on changing a
 * little with what it remembers; a tile is then kept from {@link SETTLE} still frames on. It is the only approximation.
 */
export class TileReuse {
  readonly #regions: readonly Rect[];
  readonly #columns: number;
  readonly #cell: number;
  readonly #settle: number;

  constructor(manifest: Manifest, plan: TilePlan) {
    const { align, reach } = manifest;
    // What an exact tile depends on is the tile: its core.
    const dependence = manifest.tile ? 0 : alignUp(reach.decode, align) + alignUp(reach.attend + reach.encode, align);
    this.#cell = align;
    this.#settle = Object.values(manifest.encode.inputs).some(({ age }) => age > 0) ? SETTLE : 0;
    this.#columns = plan.picture.width / align;
    this.#regions = plan.tiles.map(({ core }) => grow(core, dependence, plan.picture));
  }

  /** Versions of the first frame of a scene. */
  first(index: number): TileVersions {
    const { length } = this.#regions;
    return { shown: new Int32Array(length).fill(index), changed: new Int32Array(length).fill(index) };
  }

  /**
   * Versions of a frame, from those of the frame before and the cells that differ between the two.
   * @param index the frame's place in the stream
   * @param cells a byte per cell, row by row, not 0 where the cell differs
   */
  next(before: TileVersions, index: number, cells: Uint8Array): TileVersions {
    const changed = before.changed.map((last, tile) =>
      this.#touches(this.#regions[tile] as Rect, cells) ? index : last,
    );
    const shown = before.shown.map((last, tile) =>
      index - (changed[tile] as number) < Math.max(1, this.#settle) ? index : last,
    );
    return { shown, changed };
  }

  /** Whether a frame that shows the picture of the frame before would be answered alike, everywhere. */
  settled(before: TileVersions, index: number): boolean {
    return before.changed.every((last) => index - last >= Math.max(1, this.#settle));
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
  return now.every((versions, slot) => versions !== undefined && versions.shown[tile] === before[slot]?.shown[tile]);
}
