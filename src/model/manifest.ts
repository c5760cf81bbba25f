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

/** The graph that runs once per frame. */
export interface EncodeSpec extends GraphCost {
  readonly file: string;
  /** Input name to plane name. */
  readonly inputs: Readonly<Record<string, string>>;
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
  /** Low-resolution pixels that each stage looks beyond a pixel. */
  readonly reach: { readonly encode: number; readonly attend: number; readonly decode: number };
  /** The ring's tensors. `frame` is the packed picture itself, the others come from the encoder. */
  readonly planes: Readonly<Record<string, PlaneSpec>>;
  readonly encode: EncodeSpec;
  readonly fuse: FuseSpec;
  /**
   * One small answer every backend must give before it is trusted. The file holds `window` frames of planar 8-bit
   * R'G'B' `[window, 3, height, width]`, then the expected output as little-endian fp32 `[3, height * scale, width * scale]`.
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
  const { reach, planes, encode, fuse, golden, files } = json;
  if (!RECORD(reach) || !['encode', 'attend', 'decode'].every((key) => NATURAL(reach[key])))
    wrong('reach is incomplete');
  if (!RECORD(planes) || !('frame' in planes)) return wrong('planes must hold at least `frame`');
  for (const [name, plane] of Object.entries(planes)) {
    if (!RECORD(plane) || !POSITIVE(plane['channels']) || !NATURAL(plane['stride']))
      wrong(`plane ${name} is incomplete`);
    else if (manifest.align % (plane['stride'] as number) !== 0) wrong(`the stride of plane ${name} must divide align`);
  }
  if (!RECORD(files)) return wrong('files is missing');
  for (const [part, spec] of Object.entries({ encode, fuse, golden })) {
    if (!RECORD(spec)) return wrong(`${part} is missing`);
    const file = files[String(spec['file'])];
    if (!RECORD(file) || typeof file['sha256'] !== 'string' || !NATURAL(file['bytes'])) {
      wrong(`files does not list the size and sha256 of ${part}'s file`);
    }
  }
  for (const [name, input] of Object.entries(manifest.fuse.inputs)) {
    if (!(input.plane in planes) || !NATURAL(input.slot) || input.slot >= manifest.window) {
      wrong(`fuse input ${name} names a plane or slot that does not exist`);
    }
  }
  for (const name of [...Object.values(manifest.encode.inputs), ...Object.values(manifest.encode.outputs)]) {
    if (!(name in planes)) wrong(`encode names the plane ${name}, which does not exist`);
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
