import { UpscaleError } from '../frame/errors.js';

/** A tensor that is kept for every frame in the ring: `[1, channels, height / stride, width / stride]`, fp32. */
export interface PlaneSpec {
  readonly channels: number;
  readonly stride: number;
}

/** What running a graph costs, per low-resolution pixel of the tile it is given. */
export interface GraphCost {
  /** Multiply-adds. */
  readonly macsPerPixel: number;
  /** Bytes of all intermediate tensors alive at the worst moment. */
  readonly peakBytesPerPixel: number;
  /** Bytes of the largest single intermediate tensor. */
  readonly largestBytesPerPixel: number;
}

/** What an input of the encoder is read from. */
export interface EncodeInput {
  readonly plane: string;
  /** 0: this frame's plane. 1: that of the stream's frame before, zeros for the first frame. */
  readonly age: 0 | 1;
}

/** The graph that runs once per frame. With inputs of age 1 it is recurrent. */
export interface EncodeSpec extends GraphCost {
  readonly file: string;
  /** By input name. */
  readonly inputs: Readonly<Record<string, EncodeInput>>;
  /** Output name to plane name. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** The graph that makes the output picture of one centre from the planes of its window. */
export interface FuseSpec extends GraphCost {
  readonly file: string;
  /** Input name to the plane and the slot of the window (0 oldest) it is read from. */
  readonly inputs: Readonly<Record<string, { readonly plane: string; readonly slot: number }>>;
  /** Output name: `[1, 3, height * scale, width * scale]`, R'G'B' around 0..1, not clamped. */
  readonly output: string;
}

/** Tiles of a fixed size, in low-resolution pixels. Both lengths are multiples of the model's `align`. */
export interface TileSpec {
  readonly size: number;
  /** At most half of `size`. */
  readonly overlap: number;
}

/** A model as its `manifest.json` describes it: everything the pipeline knows of a network. */
export interface Manifest {
  readonly format: 1;
  readonly name: string;
  readonly family: string;
  /** Output pixels per input pixel, along each side. */
  readonly scale: number;
  /** Frames the network sees; the centre is the middle one. */
  readonly window: number;
  /** Sides of pictures and tiles, and tile corners, are multiples of this. */
  readonly align: number;
  /** Low-resolution pixels that each stage looks beyond a pixel; `encode` is one run of the encoder. */
  readonly reach: { readonly encode: number; readonly attend: number; readonly decode: number };
  /** The ring's tensors. `frame` is the packed picture itself, the others come from the encoder. */
  readonly planes: Readonly<Record<string, PlaneSpec>>;
  /**
   * Only for a network whose answer depends on the tile it is given, because it normalises over the tile: it sees tiles
   * of exactly `size x size` pixels, and where they overlap, by `overlap` pixels, their outputs are blended linearly.
   */
  readonly tile?: TileSpec;
  /** What the network was made with, by its trainer's names: only those who know the family look at it. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly encode: EncodeSpec;
  readonly fuse: FuseSpec;
  /** Files of the same graphs in fp16 between fp32 inputs and outputs, and what they may be off the golden answer. */
  readonly half?: { readonly encode: string; readonly fuse: string; readonly tolerance: number };
  /**
   * One small answer every backend must give before it is trusted. The file holds the first `window` frames of a stream
   * in planar 8-bit R'G'B' `[window, 3, height, width]`, then the expected output as little-endian fp32
   * `[3, height * scale, width * scale]`.
   */
  readonly golden: {
    readonly file: string;
    readonly width: number;
    readonly height: number;
    readonly tolerance: number;
  };
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly parameters: number;
  readonly licence: string;
}

const POSITIVE = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0;
const NATURAL = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
const RECORD = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks that `json` is a manifest this version can run.
 * @throws UpscaleError `model-invalid` with a sentence that names the field.
 */
export function parseManifest(json: unknown): Manifest {
  const wrong = (what: string): never => {
    throw new UpscaleError('model-invalid', `This model's manifest cannot be used: ${what}.`, { recoverable: false });
  };
  if (!RECORD(json)) return wrong('it is not a JSON object');
  if (json['format'] !== 1) return wrong(`format must be 1, not ${JSON.stringify(json['format'])}`);
  for (const key of ['name', 'family', 'licence'] as const) {
    if (typeof json[key] !== 'string') wrong(`${key} must be a string`);
  }
  for (const key of ['scale', 'window', 'align'] as const) {
    if (!NATURAL(json[key]) || !POSITIVE(json[key])) wrong(`${key} must be a positive integer`);
  }
  const manifest = json as unknown as Manifest;
  if (manifest.window % 2 !== 1) wrong('window must be odd');
  const { reach, planes, encode, fuse, golden, half, files } = json;
  if (!RECORD(reach) || !['encode', 'attend', 'decode'].every((key) => NATURAL(reach[key])))
    wrong('reach is incomplete');
  if (!RECORD(planes) || !('frame' in planes)) return wrong('planes must hold at least `frame`');
  for (const [name, plane] of Object.entries(planes)) {
    if (!RECORD(plane) || !POSITIVE(plane['channels']) || !NATURAL(plane['stride']))
      wrong(`plane ${name} is incomplete`);
    else if (manifest.align % (plane['stride'] as number) !== 0) wrong(`the stride of plane ${name} must divide align`);
  }
  if (!RECORD(files)) return wrong('files is missing');
  const named: [string, unknown][] = [];
  for (const [part, spec] of Object.entries({ encode, fuse, golden })) {
    if (!RECORD(spec)) return wrong(`${part} is missing`);
    named.push([part, spec['file']]);
  }
  if (half !== undefined) {
    if (!RECORD(half) || !POSITIVE(half['tolerance'])) return wrong('half is incomplete');
    named.push(['half.encode', half['encode']], ['half.fuse', half['fuse']]);
  }
  for (const [part, name] of named) {
    const file = files[String(name)];
    if (!RECORD(file) || typeof file['sha256'] !== 'string' || !NATURAL(file['bytes'])) {
      wrong(`files does not list the size and sha256 of ${part}'s file`);
    }
  }
  if (!RECORD(manifest.encode.outputs) || !Object.values(manifest.encode.outputs).every((name) => name in planes)) {
    wrong('encode.outputs must name planes');
  }
  const encoded = new Set(Object.values(manifest.encode.outputs));
  for (const [name, spec] of Object.entries({ encode, fuse })) {
    if (!RECORD(spec) || !RECORD(spec['inputs'])) wrong(`${name}.inputs is missing`);
  }
  for (const [name, input] of Object.entries(manifest.encode.inputs)) {
    if (!RECORD(input) || !(input.plane in planes) || (input.age !== 0 && input.age !== 1)) {
      wrong(`encode input ${name} must be { "plane": one of planes, "age": 0 or 1 }`);
    } else if (input.age === 0 && input.plane !== 'frame') {
      wrong(`encode input ${name} reads the plane ${input.plane} of this frame before the encoder has made it`);
    }
  }
  for (const [name, input] of Object.entries(manifest.fuse.inputs)) {
    if (!RECORD(input) || !(input.plane in planes) || !NATURAL(input.slot) || input.slot >= manifest.window) {
      wrong(`fuse input ${name} names a plane or slot that does not exist`);
    }
  }
  for (const { plane } of [...Object.values(manifest.encode.inputs), ...Object.values(manifest.fuse.inputs)]) {
    if (plane !== 'frame' && !encoded.has(plane)) wrong(`the plane ${plane} is read but no output of encode`);
  }
  const { tile, align } = manifest;
  if (tile !== undefined) {
    const onGrid = (length: unknown): boolean => NATURAL(length) && length % align === 0;
    if (!RECORD(tile) || !onGrid(tile.size) || !onGrid(tile.overlap) || !POSITIVE(tile.size)) {
      wrong('tile.size and tile.overlap must be multiples of align');
    } else if (2 * tile.overlap > tile.size) {
      wrong('tile.overlap must be at most half of tile.size');
    } else if (manifest.golden.width !== tile.size || manifest.golden.height !== tile.size) {
      wrong('golden must have the size of a tile');
    }
  }
  for (const graph of [manifest.encode, manifest.fuse]) {
    if (![graph.macsPerPixel, graph.peakBytesPerPixel, graph.largestBytesPerPixel].every(POSITIVE)) {
      wrong('a graph lacks its cost per pixel');
    }
  }
  return manifest;
}

/** Rounds a length up to the model's grid. */
export function alignUp(length: number, align: number): number {
  return Math.ceil(length / align) * align;
}

/** Halos, in low-resolution pixels on the model's grid, that make a tile of each graph equal the whole picture. */
export function halosOf(manifest: Manifest): { encode: number; fuse: number } {
  const { align, reach } = manifest;
  return {
    encode: alignUp(reach.encode, align),
    // Blocks of queries lie on the grid, so the decoder's reach and the attention's are rounded up one by one.
    fuse: alignUp(reach.decode, align) + alignUp(reach.attend, align),
  };
}
