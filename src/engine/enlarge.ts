import type { Size } from '../frame/frame.js';
import { FEATHER, type Rect, type Tile, type TilePlan } from './engine.js';
import { Resampler } from './mitchell.js';

/** A tile's core in output pixels, cropped to the picture. */
export function coreInPicture({ core }: Tile, scale: number, picture: Size): Rect {
  const [x, y] = [core.x * scale, core.y * scale];
  return {
    x,
    y,
    width: Math.min(core.width * scale, picture.width - x),
    height: Math.min(core.height * scale, picture.height - y),
  };
}

/**
 * Finishes a picture whose tiles the network has not all made: tiles that lack are resampled, and the network's own
 * pixels fade into resampled ones towards them. For plans whose cores lie side by side.
 *
 * The network's picture is read and another one written, so that a tile the network need not make again in the next
 * frame still has its pixels, as the network made them.
 */
export class TileEnlarger {
  readonly #resampler: Resampler;
  readonly #cores: readonly Rect[];
  /** By tile: those whose cores touch its own, at corners too. */
  readonly #neighbours: readonly (readonly number[])[];

  /** @param picture the output picture, in its pixels */
  constructor(
    plan: TilePlan,
    scale: number,
    readonly picture: Size,
  ) {
    this.#resampler = new Resampler(plan.picture, scale);
    const cores = plan.tiles.map((tile) => coreInPicture(tile, scale, picture));
    this.#cores = cores;
    this.#neighbours = cores.map((core, i) => [...cores.keys()].filter((j) => i !== j && near(core, cores[j] as Rect)));
  }

  /** Bytes of the buffers that are kept. */
  get bytes(): number {
    return this.#resampler.bytes;
  }

  /**
   * @param frame the packed picture `[3, height, width]`
   * @param tiles that are to be resampled
   * @param network the network's picture, 4 bytes a pixel
   * @param shown becomes the whole finished picture
   */
  enlarge(frame: Float32Array, tiles: readonly Tile[], network: Uint8ClampedArray, shown: Uint8ClampedArray): void {
    shown.set(network);
    const cheap = new Set(tiles.map(({ index }) => index));
    for (const index of cheap) {
      this.#fill(frame, this.#cores[index] as Rect, shown);
      for (const other of this.#neighbours[index] as readonly number[]) {
        if (cheap.has(other)) continue;
        const strip = intersection(grown(this.#cores[index] as Rect), this.#cores[other] as Rect);
        const around = (this.#neighbours[other] as readonly number[]).filter((tile) => cheap.has(tile));
        // Where strips of two tiles cross, both write the same.
        this.#fade(frame, strip, around, network, shown);
      }
    }
  }

  #fill(frame: Float32Array, region: Rect, shown: Uint8ClampedArray): void {
    const { width } = region;
    this.#resampler.rows(frame, region, (row, y) => {
      let write = (y * this.picture.width + region.x) * 4;
      for (let i = 0; i < width; i++, write += 4) {
        shown[write] = (row[i] as number) * 255;
        shown[write + 1] = (row[width + i] as number) * 255;
        shown[write + 2] = (row[2 * width + i] as number) * 255;
      }
    });
  }

  /** @param around the resampled tiles around the tile that the region lies in */
  #fade(
    frame: Float32Array,
    region: Rect,
    around: readonly number[],
    network: Uint8ClampedArray,
    shown: Uint8ClampedArray,
  ): void {
    const cores = around.map((index) => this.#cores[index] as Rect);
    const { x, width } = region;
    this.#resampler.rows(frame, region, (row, y) => {
      for (let i = 0; i < width; i++) {
        const distance = cores.reduce((least, core) => Math.min(least, distanceTo(core, x + i, y)), FEATHER);
        const share = 1 - distance / FEATHER;
        const at = (y * this.picture.width + x + i) * 4;
        for (let channel = 0; channel < 3; channel++) {
          const resampled = Math.max(0, Math.min(1, row[channel * width + i] as number)) * 255;
          shown[at + channel] = share * resampled + (1 - share) * (network[at + channel] as number);
        }
      }
    });
  }
}

/**
 * Makes what stands in for the network's answer for a tile: its outer rectangle, resampled.
 * @param frame the packed picture `[3, height, width]`
 * @returns `[3, outer.height * scale, outer.width * scale]`
 */
export function resampledTile(resampler: Resampler, frame: Float32Array, { outer }: Tile): Float32Array {
  const { scale } = resampler;
  const region = {
    x: outer.x * scale,
    y: outer.y * scale,
    width: outer.width * scale,
    height: outer.height * scale,
  };
  const area = region.width * region.height;
  const out = new Float32Array(3 * area);
  resampler.rows(frame, region, (row, y) => {
    for (let channel = 0; channel < 3; channel++) {
      const values = row.subarray(channel * region.width, (channel + 1) * region.width);
      out.set(values, channel * area + (y - region.y) * region.width);
    }
  });
  return out;
}

/** From the middle of a pixel to a rectangle, as the crow flies. */
function distanceTo({ x, y, width, height }: Rect, column: number, row: number): number {
  const across = Math.max(x - column - 0.5, column + 0.5 - x - width, 0);
  const down = Math.max(y - row - 0.5, row + 0.5 - y - height, 0);
  return Math.sqrt(across * across + down * down);
}

function grown({ x, y, width, height }: Rect): Rect {
  return { x: x - FEATHER, y: y - FEATHER, width: width + 2 * FEATHER, height: height + 2 * FEATHER };
}

function near(a: Rect, b: Rect): boolean {
  const { width, height } = intersection(grown(a), b);
  return width > 0 && height > 0;
}

function intersection(a: Rect, b: Rect): Rect {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - x;
  return { x, y, width, height: Math.min(a.y + a.height, b.y + b.height) - y };
}
