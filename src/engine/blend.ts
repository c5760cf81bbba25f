import type { Size } from '../frame/frame.js';
import type { Rect, Tile, TilePlan } from './engine.js';
import { stitchTile } from './planes.js';

/**
 * How much of a tile's output counts along one side, per output pixel: 1 in its middle, falling in a straight line where
 * a neighbour overlaps it, so that both add up to 1. At the picture's edge, where there is no neighbour, it stays 1.
 * @param start of the tile along this side, in output pixels; `length` its length, `side` the picture's, `overlap` alike
 */
export function blendWeights(start: number, length: number, side: number, overlap: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => {
    const before = start > 0 ? (i + 0.5) / overlap : 1;
    const after = start + length < side ? (length - i - 0.5) / overlap : 1;
    return Math.min(1, before, after);
  });
}

/**
 * Blends the outputs of overlapping tiles into a picture of 4-byte pixels. Every tile's newest output is kept, because
 * it is needed again when only its neighbour's changes: `3 * (size * scale)^2` floats a tile.
 */
export class TileBlender {
  readonly #outs: (Float32Array | undefined)[] = [];
  readonly #sum: Float32Array;
  readonly #weights: readonly { readonly x: Float32Array; readonly y: Float32Array }[];

  /**
   * @param pixels R, G, B and an untouched byte for each pixel of the output picture
   * @param picture the output picture, in its pixels
   */
  constructor(
    readonly plan: TilePlan,
    readonly scale: number,
    readonly pixels: Uint8ClampedArray,
    readonly picture: Size,
  ) {
    const { tileSize, tiles, overlap } = plan;
    this.#sum = new Float32Array(3 * tileSize.width * tileSize.height * scale ** 2);
    const ramp = (start: number, length: number, side: number): Float32Array =>
      blendWeights(start * scale, length * scale, side * scale, overlap * scale);
    this.#weights = tiles.map(({ outer }) => ({
      x: ramp(outer.x, outer.width, plan.picture.width),
      y: ramp(outer.y, outer.height, plan.picture.height),
    }));
  }

  /** Bytes of the buffers that are kept, without the picture. */
  get bytes(): number {
    return this.#outs.reduce((sum, out) => sum + (out?.byteLength ?? 0), this.#sum.byteLength);
  }

  /**
   * Takes a tile's new output and makes all pixels it has a share in.
   * @param out `[3, height * scale, width * scale]` of the tile
   * @returns the output that this one replaces
   */
  put(tile: Tile, out: Float32Array): Float32Array | undefined {
    const replaced = this.#outs[tile.index];
    this.#outs[tile.index] = out;
    this.#sum.fill(0);
    for (const other of this.plan.tiles) this.#add(tile.outer, other);
    stitchTile(this.#sum, tile.outer, tile.outer, this.scale, this.pixels, this.picture);
    return replaced;
  }

  /** Adds another tile's share, or the tile's own, to the sum over `outer`. */
  #add(outer: Rect, other: Tile): void {
    const out = this.#outs[other.index];
    const weights = this.#weights[other.index];
    const { scale } = this;
    // From here on output pixels, counted from the corner of `outer`.
    const dx = (other.outer.x - outer.x) * scale;
    const dy = (other.outer.y - outer.y) * scale;
    const width = outer.width * scale;
    const height = outer.height * scale;
    if (!out || !weights || Math.abs(dx) >= width || Math.abs(dy) >= height) return;
    for (let channel = 0; channel < 3; channel++) {
      for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y++) {
        const weight = weights.y[y - dy] as number;
        const to = (channel * height + y) * width;
        const from = (channel * height + y - dy) * width - dx;
        for (let x = Math.max(0, dx); x < Math.min(width, width + dx); x++) {
          (this.#sum[to + x] as number) += (out[from + x] as number) * weight * (weights.x[x - dx] as number);
        }
      }
    }
  }
}
