import { blockBytesLoaded, blockMacs, blockWeightBytes } from './block.js';
import { type ConvSpec, macsPerPixel, type Precision, type Tuning, tuned, weightBytes } from './conv.js';
import { type Layer, type Layers, layersOf } from './layers.js';
import type { LiveSettings } from './settings.js';

/** What a network costs by our kernels, for a frame that is encoded and fused once. Bytes and products are of a low-resolution pixel. */
export interface NativeCost {
  readonly dispatches: number;
  readonly macs: number;
  /** What invocations ask for: neighbours read the same pixels, and caches answer most of it. */
  readonly bytesLoaded: number;
  readonly bytesStored: number;
  /** What memory must move at least: every plane written once and read once by each kernel that reads it. */
  readonly idealBytes: number;
  /** All weights, once a frame: not of a pixel. */
  readonly weightBytes: number;
}

/** The cost of a network, from the same shapes that its kernels are made of. */
export function nativeCost(settings: LiveSettings, precision: Precision, tuning: Tuning): NativeCost {
  const layers = frameLayers(layersOf(settings, precision));
  const sum = (of: (layer: Layer) => number): number => layers.reduce((total, layer) => total + of(layer), 0);
  const bytes = precision === 'f16' ? 2 : 4;
  return {
    dispatches: layers.length,
    macs: sum((layer) => (layer.kind === 'conv' ? macsPerPixel(layer.spec) : blockMacs(layer.spec))),
    bytesLoaded: sum((layer) =>
      layer.kind === 'conv' ? loaded(layer.spec, bytes, tuning) : blockBytesLoaded(layer.spec, bytes),
    ),
    bytesStored: sum(({ spec, kind }) => (kind === 'conv' ? stored(spec, bytes) : spec.channels * bytes)),
    idealBytes: sum(({ spec, kind }) =>
      kind === 'conv' ? inputs(spec, bytes) + added(spec, bytes, 1) + stored(spec, bytes) : 2 * spec.channels * bytes,
    ),
    weightBytes: sum((layer) =>
      layer.kind === 'conv' ? weightBytes(layer.spec, precision) : blockWeightBytes(layer.spec, precision),
    ),
  };
}

function inputs(spec: ConvSpec, bytes: number): number {
  return spec.inputs.reduce<number>((total, input) => total + (input === 'rgb' ? 12 : input * bytes), 0);
}

/** The bilinear picture is made of nine pixels of three floats. */
function added({ residual, out, to }: ConvSpec, bytes: number, pixels: number): number {
  return (residual ? out * bytes : 0) + (to === 'plane' ? 0 : 12 * pixels);
}

function stored({ to, out, also = 0 }: ConvSpec, bytes: number): number {
  return to === 'plane' ? (out + also) * bytes : 4 * to.scale ** 2;
}

/** Each part of the channels reads the inputs again; a row of pixels reads two more at its ends, in three rows. */
function loaded(spec: ConvSpec, bytes: number, tuning: Tuning): number {
  const { pixels, groups } = tuned(spec, tuning);
  const again = ((3 * (pixels + 2)) / pixels) * (spec.out / 4 / groups);
  return inputs(spec, bytes) * again + added(spec, bytes, 9);
}

function frameLayers({ first, encode, neighbours, decode, up }: Layers<Layer>): Layer[] {
  return [first, ...encode.flat(), ...(neighbours ? [neighbours] : []), ...decode.flat(), up];
}
