import type { FrameTimes, Size } from '../frame/frame.js';
import type { GraphCost, Manifest } from '../model/manifest.js';

/** Where the network runs. `webgpu-native`: our own kernels; `cpu` and `cuda` are ONNX Runtime's native ones, in Node. */
export type Backend = 'webgpu-native' | 'webgpu' | 'wasm' | 'cpu' | 'cuda';

/** A rectangle in low-resolution pixels. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A piece of the picture that a graph runs on: `outer` goes in, of what comes out only `core` is kept. */
export interface Tile {
  readonly index: number;
  readonly outer: Rect;
  readonly core: Rect;
}

/** All tiles of a picture. Their outer rectangles have one size, so that one session serves all of them. */
export interface TilePlan {
  /** The picture, padded to what the tiles cover. */
  readonly picture: Size;
  readonly tileSize: Size;
  readonly tiles: readonly Tile[];
  /**
   * 0: tiles equal the whole picture, and cores lie side by side. Otherwise the network's answer depends on the tile:
   * planes are kept for each tile, cores are whole tiles, and where they overlap, by this many pixels, they are blended.
   */
  readonly overlap: number;
}

/** A plan of one tile: the picture. */
export function wholePlan(size: Size): TilePlan {
  const outer = { x: 0, y: 0, ...size };
  return { picture: size, tileSize: size, tiles: [{ index: 0, outer, core: outer }], overlap: 0 };
}

/** A model with its files in memory and their hashes checked. */
export interface LoadedModel {
  readonly manifest: Manifest;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** How far from a resampled tile, in output pixels, the network's pixels begin to fade into resampled ones. */
export const FEATHER = 8;

/** Size of the small grey pictures that scene cuts are found in. */
export const THUMBNAIL = { width: 32, height: 18 } as const;

/** What an engine sees in a packed picture, beside the one before. */
export interface Comparison {
  /** One byte per `align x align` cell of the padded picture, row by row, not 0 where any pixel differs. */
  readonly changed: Uint8Array;
  /** The picture in {@link THUMBNAIL} samples, row by row, each a mean of the green channel, 0..1. */
  readonly thumbnail: Float32Array;
}

/** What an {@link EngineStream} is opened for. */
export interface StreamShape {
  /** Source pictures, in pixels, before padding. */
  readonly size: Size;
  readonly encode: TilePlan;
  readonly fuse: TilePlan;
  /** Frames the ring holds. */
  readonly slots: number;
}

/**
 * Something that runs networks on pictures.
 *
 * `In` is what a source frame looks like to this engine and `Out` what it makes of it: `VideoFrame` in the browser,
 * planes in memory in Node. An engine does not know tracks, time or policy.
 */
export interface Engine<In, Out> {
  readonly backend: Backend;
  /** Whether graphs in half precision run faster here than in single precision. */
  readonly half: boolean;
  /** Tiles of a stream that it runs at once. */
  readonly lanes: number;
  /** What a person reads in statistics: adapter, threads. */
  readonly description: string;
  /** The largest tile, in low-resolution pixels with halo, that this engine runs in one go. */
  maxTilePixels(cost: GraphCost): number;
  /** Makes sessions and a ring for pictures of one size. */
  open(model: LoadedModel, shape: StreamShape): Promise<EngineStream<In, Out>>;
  /**
   * Runs both graphs on one tile given as numbers, past no cache: how a backend is checked against the golden tile.
   * @param frames `[window, 3, height, width]` R'G'B' 0..1: the first frames of a stream
   * @returns `[3, height * scale, width * scale]`, not clamped
   */
  runTile(model: LoadedModel, frames: Float32Array, size: Size): Promise<Float32Array>;
  dispose(): void;
}

/**
 * The ring and the output picture of one stream, in the engine's memory.
 *
 * Calls are made one after another, but for {@link EngineStream.fuse}: as many as the engine has lanes. Slots are numbers from 0 to `slots - 1`; the caller decides which frame is in which.
 */
export interface EngineStream<In, Out> {
  /** Reads the frame's pixels into a slot, edge-replicated to the grid. The frame stays the caller's and may be closed after. */
  pack(frame: In, slot: number): Promise<void>;
  /** Compares a packed picture with another one. Engines that know at once answer at once, the others go on meanwhile. */
  compare(slot: number, previous: number): Comparison | Promise<Comparison>;
  /**
   * Runs the encoder on a packed picture, all tiles.
   * @param previous another slot, which holds the stream's frame before, encoded; without it the frame is the first one
   * and a recurrent encoder begins with zeros
   */
  encode(slot: number, previous?: number): Promise<void>;
  /** Gives a packed picture the planes of `previous` instead of encoding it: both would be answered alike. */
  repeat(slot: number, previous: number): Promise<void>;
  /** Makes the output pixels of one tile's core from the window's slots, oldest first. Other pixels stay as they are. */
  fuse(window: readonly number[], tile: Tile): Promise<void>;
  /**
   * The deadline inside a frame: finishes the picture without the network. Cores of these tiles of the fuse plan are
   * resampled from the packed picture, as the fast scaler would, and along every edge to another tile the network's
   * pixels fade into resampled ones over {@link FEATHER} output pixels of that tile; blended tiles overlap anyway.
   *
   * Called once, after all other tiles hold what the network makes of this frame, and before {@link output}: it is good
   * for the next output only. Afterwards tiles not listed are as the network left them, without the fade; one that is
   * listed has to be fused before it is shown as the network's again, even if its inputs stay the same.
   * @param slot of the frame that is shown, the window's centre
   */
  enlarge(slot: number, tiles: readonly Tile[]): Promise<void>;
  /** Settles when all work that calls so far have started is done; engines may work behind our back. */
  settled(): Promise<void>;
  /**
   * The frame in this slot has been a centre, and `previous` of the frame after it: what only those two are asked for is
   * not needed any more.
   */
  retire(slot: number): void;
  /** The output picture as a frame of `size * scale` pixels. The caller owns it. */
  output(times: FrameTimes): Promise<Out>;
  /** Milliseconds spent so far by stage of this engine (stage names as in {@link StageTimes}). */
  readonly times: StageTimes;
  /**
   * Whose clock {@link times} are read from. `wall`: from call to answer, and what a GPU does meanwhile is in `wait`.
   * `gpu`: `copyIn` and `out` are of the wall's clock too, `wait` is 0, and all others are the GPU's own milliseconds. They
   * are added a frame or two later.
   */
  readonly timed: 'gpu' | 'wall';
  /**
   * Memory that the stream itself holds now, in bytes: planes of the ring, output pictures and what is used again from
   * frame to frame. Not the runtime's own, nor sessions and their inputs and outputs on a GPU, which streams share.
   */
  readonly bytes: number;
  dispose(): void;
}

/** Milliseconds by stage, summed since the stream was opened. */
export interface StageTimes {
  /** Getting at the source pixels: `copyTo`, or importing a texture. */
  copyIn: number;
  /** Colour conversion and padding into the ring. */
  pack: number;
  /** Comparing a picture with the one before. */
  compare: number;
  /** The encoder graph. */
  encode: number;
  /** Cutting a tile's inputs out of the ring. */
  gather: number;
  /** The fuse graph. */
  fuse: number;
  /** Clamping and writing a tile's core to the output picture. */
  stitch: number;
  /** Resampling the tiles that the network does not make. */
  enlarge: number;
  /** Making a frame of the output picture. */
  out: number;
  /** Waiting for the GPU, where it works behind our back and its clock is not known: its time for all stages of a frame. */
  wait: number;
}

/** Stage times, all zero. */
export function noTimes(): StageTimes {
  return { copyIn: 0, pack: 0, compare: 0, encode: 0, gather: 0, fuse: 0, stitch: 0, enlarge: 0, out: 0, wait: 0 };
}
