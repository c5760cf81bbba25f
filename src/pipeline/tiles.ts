import type { Rect, Tile, TilePlan } from '../engine/engine.js';
import { UpscaleError } from '../frame/errors.js';
import type { Size } from '../frame/frame.js';
import { alignUp, halosOf, type Manifest, type TileSpec } from '../model/manifest.js';

/** Memory that the exact tiles of a stream may take. */
const EXACT_TILES_BYTES = 2 * 2 ** 30;

/** What a plan is made for. Lengths are low-resolution pixels. */
export interface TileDemand {
  /** The source picture. The plan covers it padded up to `align`. */
  readonly size: Size;
  /** The grid of tile corners and sides. */
  readonly align: number;
  /** What must lie around a core, inside the picture, for the core to be exact. A multiple of `align`. */
  readonly halo: number;
  /** The most pixels one tile may have, halo included. */
  readonly maxPixels: number;
  /** Tiles that are computed at once. Default 1. */
  readonly lanes?: number;
}

/** One side of the picture cut into overlapping spans of equal length. */
interface Spans {
  readonly length: number;
  readonly starts: readonly number[];
}

/**
 * Cuts a side into `count` spans. The first and last span end at the picture's edge (shifted inward, not padded), where
 * the network's own zero padding is right; inner ends overlap by twice the halo.
 */
function cut(side: number, count: number, halo: number, align: number): Spans {
  const length = Math.min(side, alignUp((side + 2 * halo * (count - 1)) / count, align));
  const stride = length - 2 * halo;
  const starts = Array.from({ length: count }, (_, i) => Math.max(0, Math.min(i * stride, side - length)));
  return { length, starts };
}

/** Where the kept part of span `i` begins and ends. */
function core(spans: Spans, i: number, side: number, halo: number): [start: number, end: number] {
  const start = i === 0 ? 0 : (spans.starts[i] as number) + halo;
  const end = i === spans.starts.length - 1 ? side : (spans.starts[i + 1] as number) + halo;
  return [start, end];
}

/** Most spans that make sense along a side: each must keep at least one grid cell. */
function mostSpans(side: number, halo: number, align: number): number {
  return Math.max(1, Math.floor((side - 2 * halo) / align));
}

/**
 * Plans the tiles of a picture: the least time within `maxPixels` a tile, and of equals the fewest tiles. Without lanes
 * beside each other that is the fewest computed pixels.
 *
 * Tiled equals whole because every core has `halo` pixels of picture, or the picture's own edge, on each side.
 * When not even the smallest tile fits into `maxPixels`, the smallest tile is taken.
 */
export function planTiles({ size, align, halo, maxPixels, lanes = 1 }: TileDemand): TilePlan {
  const width = alignUp(size.width, align);
  const height = alignUp(size.height, align);
  let best: { columns: Spans; rows: Spans; time: number; fits: boolean } | undefined;
  for (let nx = 1; nx <= mostSpans(width, halo, align); nx++) {
    const columns = cut(width, nx, halo, align);
    for (let ny = 1; ny <= mostSpans(height, halo, align); ny++) {
      const rows = cut(height, ny, halo, align);
      const pixels = columns.length * rows.length;
      const time = pixels * Math.ceil((nx * ny) / lanes);
      const fits = pixels <= maxPixels;
      const better =
        !best ||
        (fits ? !best.fits || time < best.time : !best.fits && pixels < best.columns.length * best.rows.length);
      if (better) best = { columns, rows, time, fits };
      if (fits && nx * ny >= lanes) break; // more rows of this width only add halo
    }
  }
  const { columns, rows } = best as NonNullable<typeof best>;
  const tiles: Tile[] = [];
  rows.starts.forEach((y, j) => {
    const [top, bottom] = core(rows, j, height, halo);
    columns.starts.forEach((x, i) => {
      const [left, right] = core(columns, i, width, halo);
      tiles.push({
        index: tiles.length,
        outer: { x, y, width: columns.length, height: rows.length },
        core: { x: left, y: top, width: right - left, height: bottom - top },
      });
    });
  });
  const tileSize = { width: columns.length, height: rows.length };
  return { picture: { width, height }, tileSize, tiles, overlap: 0 };
}

/**
 * Plans tiles of exactly one size, for a network whose answer depends on its tile: on a grid that begins in the
 * picture's corner, over the picture padded to where the grid ends. Neighbours overlap and are blended, so that every
 * tile is its own core.
 */
export function planExactTiles(size: Size, { size: side, overlap }: TileSpec): TilePlan {
  const step = side - overlap;
  const count = (length: number): number => Math.max(1, Math.ceil((length - overlap) / step));
  const [columns, rows] = [count(size.width), count(size.height)];
  const tiles = Array.from({ length: columns * rows }, (_, index): Tile => {
    const outer = { x: (index % columns) * step, y: Math.floor(index / columns) * step, width: side, height: side };
    return { index, outer, core: outer };
  });
  const picture = { width: columns * step + overlap, height: rows * step + overlap };
  return { picture, tileSize: { width: side, height: side }, tiles, overlap };
}

/**
 * Plans the tiles of both graphs of a model. Both plans cover the same padded picture.
 * @param most the most pixels one tile of each graph may have, halo included; a model's exact tiles are what they are
 * @param lanes tiles that are computed at once
 * @throws UpscaleError `frame-unsupported` where exact tiles of the picture would take too much memory
 */
export function planStream(
  manifest: Manifest,
  size: Size,
  most: { readonly encode: number; readonly fuse: number },
  lanes = 1,
): { readonly encode: TilePlan; readonly fuse: TilePlan } {
  const { align, tile, name } = manifest;
  if (!tile) {
    const halos = halosOf(manifest);
    return {
      encode: planTiles({ size, align, halo: halos.encode, maxPixels: most.encode, lanes }),
      fuse: planTiles({ size, align, halo: halos.fuse, maxPixels: most.fuse, lanes }),
    };
  }
  const plan = planExactTiles(size, tile);
  const bytes = exactTileBytes(manifest, tile);
  const count = plan.tiles.length;
  if (count * bytes > EXACT_TILES_BYTES) {
    throw new UpscaleError(
      'frame-unsupported',
      `${name} keeps ${mebibytes(bytes)} for each of its tiles; pictures of ${size.width} x ${size.height} take ` +
        `${count} tiles, more than the ${mebibytes(EXACT_TILES_BYTES)} it may have. Use smaller pictures or another model.`,
    );
  }
  return { encode: plan, fuse: plan };
}

/** Bytes a stream keeps for one exact tile: its planes in the whole ring and its newest output, all fp32. */
export function exactTileBytes({ planes, window, scale }: Manifest, { size }: TileSpec): number {
  const encoded = Object.entries(planes).filter(([name]) => name !== 'frame');
  const floats = encoded.map(([, { channels, stride }]) => channels * (size / stride) ** 2 * window);
  return 4 * floats.reduce((sum, each) => sum + each, 3 * (size * scale) ** 2);
}

/** Pixels computed per pixel kept: 1 for a single tile, more where halos overlap. */
export function computedOverKept(plan: TilePlan): number {
  const { tileSize, picture, tiles } = plan;
  return (tileSize.width * tileSize.height * tiles.length) / (picture.width * picture.height);
}

/** A rectangle grown by `by` on each side and cut to the picture. */
export function grow(rect: Rect, by: number, picture: Size): Rect {
  const x = Math.max(0, rect.x - by);
  const y = Math.max(0, rect.y - by);
  return {
    x,
    y,
    width: Math.min(picture.width, rect.x + rect.width + by) - x,
    height: Math.min(picture.height, rect.y + rect.height + by) - y,
  };
}

/** Tiles in the order in which people miss them: first where the picture moves, and from its centre outwards. */
export function urgency(tiles: readonly Tile[], picture: Size, moves: (tile: Tile) => boolean): Tile[] {
  const place = (tile: Tile): number => {
    const { x, y, width, height } = tile.core;
    const distance = Math.hypot((x + width / 2) / picture.width - 0.5, (y + height / 2) / picture.height - 0.5);
    // No two places of a picture are further from each other than this.
    return moves(tile) ? distance : distance + 2;
  };
  return tiles
    .map((tile) => ({ tile, place: place(tile) }))
    .sort((a, b) => a.place - b.place)
    .map(({ tile }) => tile);
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
