import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { LoadedModel, StreamShape, Tile } from '../engine.js';
import { copyRect, planeSize, strided } from '../planes.js';
import { free, planeSpec } from './graph-runner.js';

/**
 * The planes of a stream's frames in main memory, by slot and name.
 *
 * A plane is one piece, the whole picture, out of which tiles are cut; where a tile is the whole picture, it is passed
 * on as it is. If the plan blends tiles, the encoder's planes are a piece for each tile, passed on as they are.
 */
export class CpuRing {
  readonly #slots: readonly Map<string, (Float32Array | undefined)[]>[];
  /** Planes that nothing but a centre, and the encoder of the frame after it, is asked for: the largest, features. */
  readonly #passing: readonly string[];
  /** One whole-picture plane by name that was retired and can be used again. */
  readonly #spare = new Map<string, Float32Array>();
  /** Tensors cut for one tile, used again for the next: by what they are cut for. */
  readonly #cuts = new Map<string, Float32Array>();

  constructor(
    readonly model: LoadedModel,
    readonly shape: StreamShape,
  ) {
    this.#slots = Array.from({ length: shape.slots }, () => new Map());
    const { encode, fuse, window } = model.manifest;
    const centre = (window - 1) / 2;
    const elsewhere = Object.values(fuse.inputs).flatMap(({ plane, slot }) => (slot === centre ? [] : [plane]));
    this.#passing = Object.values(encode.outputs).filter((plane) => !elsewhere.includes(plane));
  }

  /** Bytes of all planes and buffers. What has been freed counts nothing. */
  get bytes(): number {
    let bytes = 0;
    for (const data of this.#spare.values()) bytes += data.byteLength;
    for (const data of this.#cuts.values()) bytes += data.byteLength;
    for (const slot of this.#slots) {
      for (const pieces of slot.values()) for (const piece of pieces) bytes += piece?.byteLength ?? 0;
    }
    return bytes;
  }

  /** A slot's packed picture, zeros when it has never been written. */
  frame(slot: number): Float32Array {
    const pieces = this.#pieces(slot, 'frame');
    pieces[0] ??= this.zeros('frame', this.shape.encode.picture);
    return pieces[0];
  }

  /**
   * A tile of a plane; not to be written to.
   * @param use what it is read for; the next tile that is read for the same may overwrite it
   */
  read(slot: number, name: string, tile: Tile, use: string): Float32Array {
    const piece = name === 'frame' ? this.frame(slot) : this.#pieces(slot, name)[this.#piece(name, tile)];
    if (!piece) throw new UpscaleError('engine-failed', `The plane ${name} has not been computed yet.`);
    if (this.#isPiece(name, tile)) return piece;
    const cut = this.#cuts.get(use) ?? this.zeros(name, tile.outer);
    this.#cuts.set(use, cut);
    const { channels, stride } = planeSpec(this.model, name);
    const from = planeSize(this.shape.encode.picture, stride);
    copyRect(piece, from, cut, planeSize(tile.outer, stride), channels, strided(tile.outer, stride), { x: 0, y: 0 });
    return cut;
  }

  /** A plane of a picture or tile of this size, all zero. */
  zeros(name: string, size: Size): Float32Array {
    const { channels, stride } = planeSpec(this.model, name);
    const { width, height } = planeSize(size, stride);
    return new Float32Array(channels * width * height);
  }

  /** Frees what {@link write} would replace: called before a graph runs, so that both never exist at once. */
  discard(slot: number, name: string, tile: Tile): void {
    if (!this.#isPiece(name, tile)) return;
    const pieces = this.#pieces(slot, name);
    const index = this.#piece(name, tile);
    free(pieces[index]);
    pieces[index] = undefined;
  }

  /** Takes over what the encoder made of a tile. */
  write(slot: number, name: string, tile: Tile, data: Float32Array): void {
    const pieces = this.#pieces(slot, name);
    if (this.#isPiece(name, tile)) {
      pieces[this.#piece(name, tile)] = data;
      return;
    }
    const { picture } = this.shape.encode;
    const whole = pieces[0] ?? this.#spare.get(name) ?? this.zeros(name, picture);
    this.#spare.delete(name);
    pieces[0] = whole;
    const { channels, stride } = planeSpec(this.model, name);
    const { core, outer } = tile;
    const from = strided({ ...core, x: core.x - outer.x, y: core.y - outer.y }, stride);
    const to = strided(core, stride);
    copyRect(data, planeSize(outer, stride), whole, planeSize(picture, stride), channels, from, to);
    free(data);
  }

  /** Copies a plane of another slot. */
  copy(slot: number, name: string, from: number): void {
    const pieces = this.#pieces(slot, name);
    for (const [i, piece] of this.#pieces(from, name).entries()) {
      const own = pieces[i];
      if (piece && own) own.set(piece);
      else pieces[i] = piece?.slice();
    }
  }

  /** Gives back what is not needed of a frame that has been a centre and the frame before another. */
  retire(slot: number): void {
    const { overlap, tiles } = this.shape.encode;
    for (const name of this.#passing) {
      const pieces = this.#pieces(slot, name);
      // Otherwise the encoder's results are the pieces: new ones come with each frame.
      if (overlap === 0 && tiles.length > 1 && pieces[0]) this.#spare.set(name, pieces[0]);
      else for (const piece of pieces) free(piece);
      pieces.length = 0;
    }
  }

  dispose(): void {
    this.#spare.clear();
    this.#cuts.clear();
    for (const slot of this.#slots) slot.clear();
  }

  #pieces(slot: number, name: string): (Float32Array | undefined)[] {
    const planes = this.#slots[slot];
    if (!planes) throw new UpscaleError('engine-failed', `The ring has no slot ${slot}.`);
    let pieces = planes.get(name);
    if (!pieces) {
      pieces = [];
      planes.set(name, pieces);
    }
    return pieces;
  }

  /** Which piece of the plane a tile lies in. */
  #piece(name: string, tile: Tile): number {
    return this.#perTile(name) ? tile.index : 0;
  }

  #isPiece(name: string, { outer }: Tile): boolean {
    const { width, height } = this.shape.encode.picture;
    return this.#perTile(name) || (outer.width === width && outer.height === height);
  }

  #perTile(name: string): boolean {
    return this.shape.encode.overlap > 0 && name !== 'frame';
  }
}
