import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { PlaneSpec } from '../../model/manifest.js';
import type { LoadedModel, StreamShape, Tile } from '../engine.js';
import { planeSize, strided } from '../planes.js';
import { RectCopier, type RectCopy } from './copy-rect.js';
import type { GpuScope } from './device.js';
import type { TileGraph } from './graph.js';

/** What the planes of a stream go into and come out of. */
export interface RingParts {
  readonly model: LoadedModel;
  readonly shape: StreamShape;
  readonly encode: TileGraph;
  readonly fuse: TileGraph;
  /** Cut tiles out with the kernels even where a tile is the whole picture. */
  readonly alwaysCut: boolean;
}

/** One copy between a plane of the ring and a port of a graph. */
interface Link {
  readonly plane: string;
  /** Which of the slots of a call: for the encoder an input's age, for fuse its place in the window. */
  readonly position: number;
  readonly port: GPUBuffer;
  /** Where the tile begins in the plane, when it lies there in one piece, in bytes; else the number of a cut. */
  readonly place: { readonly offset: number; readonly bytes: number } | { readonly cut: number };
}

/**
 * The planes of a stream's frames in GPU memory, all made when the stream is opened.
 *
 * A plane is the whole picture, fp32 `[channels, height / stride, width / stride]`, or, if the plan blends tiles and the
 * encoder makes the plane, `[tiles, channels, tile height / stride, tile width / stride]`. Graphs read and write ports
 * that never move, because graph capture and streams that share a graph need that; a recurrent encoder's input is one
 * more copy into a port, out of the slot of the frame before.
 */
export class GpuRing {
  readonly #slots: readonly ReadonlyMap<string, GPUBuffer>[];
  readonly #copier: RectCopier;
  /** By tile. */
  readonly #encodeIn: readonly (readonly Link[])[];
  readonly #encodeOut: readonly (readonly Link[])[];
  readonly #fuseIn: readonly (readonly Link[])[];
  readonly #cuts: RectCopy[] = [];

  constructor(
    readonly scope: GpuScope,
    readonly parts: RingParts,
  ) {
    const { shape, encode, fuse, model } = parts;
    const { planes, encode: encodeSpec, fuse: fuseSpec } = model.manifest;
    this.#slots = Array.from({ length: shape.slots }, (_, slot) => {
      const buffers = Object.entries(planes).map(([name, spec]): [string, GPUBuffer] => {
        const { picture, tileSize, tiles } = shape.encode;
        const bytes = this.#perTile(name) ? bytesOf(tileSize, spec) * tiles.length : bytesOf(picture, spec);
        return [name, scope.buffer(`slot ${slot} ${name}`, bytes)];
      });
      return new Map(buffers);
    });
    this.#encodeIn = shape.encode.tiles.map((tile) =>
      Object.entries(encodeSpec.inputs).map(([name, { plane, age }]) =>
        this.#link(plane, age, encode.input(name), tile, 'in'),
      ),
    );
    this.#encodeOut = shape.encode.tiles.map((tile) =>
      Object.entries(encodeSpec.outputs).map(([name, plane]) => this.#link(plane, 0, encode.output(name), tile, 'out')),
    );
    this.#fuseIn = shape.fuse.tiles.map((tile) =>
      Object.entries(fuseSpec.inputs).map(([name, { plane, slot }]) =>
        this.#link(plane, slot, fuse.input(name), tile, 'in'),
      ),
    );
    this.#copier = new RectCopier(scope, this.#cuts);
  }

  /** A slot's whole plane. */
  plane(slot: number, name: string): GPUBuffer {
    const plane = this.#slots[slot]?.get(name);
    if (!plane) throw new UpscaleError('engine-failed', `The ring has no plane ${name} in slot ${slot}.`);
    return plane;
  }

  /** Fills the encoder's inputs for a tile. Without `previous`, what is read of the frame before is zeros. */
  feedEncode(encoder: GPUCommandEncoder, tile: number, slot: number, previous: number | undefined): void {
    this.#record(encoder, this.#encodeIn[tile], [slot, previous], 'in');
  }

  /** Keeps what the encoder made of a tile. */
  keepEncoded(encoder: GPUCommandEncoder, tile: number, slot: number): void {
    this.#record(encoder, this.#encodeOut[tile], [slot], 'out');
  }

  /** Copies all that the encoder made of another slot's frame. */
  copyEncoded(encoder: GPUCommandEncoder, slot: number, from: number): void {
    for (const name of Object.values(this.parts.model.manifest.encode.outputs)) {
      const plane = this.plane(from, name);
      encoder.copyBufferToBuffer(plane, 0, this.plane(slot, name), 0, plane.size);
    }
  }

  /** Fills the fuse graph's inputs for a tile of a window, oldest first. */
  feedFuse(encoder: GPUCommandEncoder, tile: number, window: readonly number[]): void {
    this.#record(encoder, this.#fuseIn[tile], window, 'in');
  }

  #record(
    encoder: GPUCommandEncoder,
    links: readonly Link[] = [],
    slots: readonly (number | undefined)[],
    way: 'in' | 'out',
  ): void {
    const cuts: { cut: number; from: GPUBuffer; to: GPUBuffer }[] = [];
    for (const { plane: name, position, port, place } of links) {
      const slot = slots[position];
      if (slot === undefined) {
        encoder.clearBuffer(port);
        continue;
      }
      const plane = this.plane(slot, name);
      if ('cut' in place) {
        cuts.push({ ...place, ...(way === 'in' ? { from: plane, to: port } : { from: port, to: plane }) });
      } else if (way === 'in') {
        encoder.copyBufferToBuffer(plane, place.offset, port, 0, place.bytes);
      } else {
        encoder.copyBufferToBuffer(port, 0, plane, place.offset, place.bytes);
      }
    }
    if (cuts.length === 0) return;
    const pass = encoder.beginComputePass();
    for (const { cut, from, to } of cuts) this.#copier.record(pass, cut, from, to);
    pass.end();
  }

  #link(plane: string, position: number, port: GPUBuffer, tile: Tile, way: 'in' | 'out'): Link {
    const spec = this.#spec(plane);
    const { picture } = this.parts.shape.encode;
    const bytes = bytesOf(tile.outer, spec);
    if (this.#perTile(plane)) return { plane, position, port, place: { offset: tile.index * bytes, bytes } };
    if (!this.parts.alwaysCut && tile.outer.width === picture.width && tile.outer.height === picture.height) {
      return { plane, position, port, place: { offset: 0, bytes } };
    }
    const copy = way === 'in' ? gather(tile, spec, picture) : scatter(tile, spec, picture);
    return { plane, position, port, place: { cut: this.#cuts.push(copy) - 1 } };
  }

  #perTile(name: string): boolean {
    return this.parts.shape.encode.overlap > 0 && name !== 'frame';
  }

  #spec(name: string): PlaneSpec {
    const spec = this.parts.model.manifest.planes[name];
    if (!spec) throw new UpscaleError('model-invalid', `The model has no plane ${name}.`);
    return spec;
  }
}

function bytesOf(size: Size, { channels, stride }: PlaneSpec): number {
  const { width, height } = planeSize(size, stride);
  return channels * width * height * 4;
}

/** The tile's outer rectangle, out of the picture. */
function gather({ outer }: Tile, { channels, stride }: PlaneSpec, picture: Size): RectCopy {
  const sizes = { sourceSize: planeSize(picture, stride), targetSize: planeSize(outer, stride) };
  return { channels, from: strided(outer, stride), to: { x: 0, y: 0 }, ...sizes };
}

/** The tile's core, back into the picture. */
function scatter({ core, outer }: Tile, { channels, stride }: PlaneSpec, picture: Size): RectCopy {
  const sizes = { sourceSize: planeSize(outer, stride), targetSize: planeSize(picture, stride) };
  const from = strided({ ...core, x: core.x - outer.x, y: core.y - outer.y }, stride);
  return { channels, from, to: strided(core, stride), ...sizes };
}
