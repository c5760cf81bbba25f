import type { GpuScope } from '../webgpu/device.js';
import { type ConvSpec, MOST_WEIGHT_BYTES, type Precision, type Tuning, weightBytes } from './conv.js';
import { ConvKernel } from './conv-kernel.js';
import type { Initialisers } from './initialisers.js';
import type { LiveSettings } from './settings.js';

/** One convolution of a network: its kernel's shape, and the layers of the graph whose weights it has. */
export interface Layer {
  readonly spec: ConvSpec;
  readonly names: readonly string[];
  readonly also?: string;
}

/** A network's convolutions, in their order. */
export interface Layers<T> {
  readonly first: T;
  /** Of the encoder's residual blocks, `x + b(relu(a(x)))`. The last one makes the plane `near` besides. */
  readonly encode: readonly (readonly [a: T, b: T])[];
  /** Neighbours, added to the centre's features. */
  readonly neighbours: T | undefined;
  readonly decode: readonly (readonly [a: T, b: T])[];
  /** Enlarged, onto the output picture, and as numbers. */
  readonly up: T;
  readonly answer: T;
}

/** The layers of a network. */
export function layersOf(settings: LiveSettings): Layers<Layer> {
  const { channels: c, near, nearFrames, recurrent, encoderBlocks, decoderBlocks, scale } = settings;
  const conv = (label: string, names: readonly string[], spec: Partial<ConvSpec>, also?: string): Layer => ({
    spec: { label, inputs: [c], out: c, activation: 'none', residual: false, to: 'plane', ...spec },
    names,
    ...(also === undefined ? {} : { also }),
  });
  const block = (name: string, besides: boolean): [Layer, Layer] => [
    conv('convolution', [`${name}.a`], { activation: 'relu' }),
    besides && near > 0
      ? conv('convolution, near', [`${name}.b`], { residual: true, also: near }, 'near')
      : conv('convolution, residual', [`${name}.b`], { residual: true }),
  ];
  const up = (kind: 'texture' | 'planar'): Layer =>
    conv(`enlarge to ${kind}`, ['up'], { out: 3 * scale ** 2, to: { kind, scale } });
  return {
    first: conv('first convolution', recurrent ? ['first', 'past'] : ['first'], {
      inputs: recurrent ? ['rgb', c] : ['rgb'],
      activation: 'leaky-relu',
    }),
    encode: Array.from({ length: encoderBlocks }, (_, i) => block(`enc.${i}`, i === encoderBlocks - 1)),
    neighbours:
      near > 0 ? conv('neighbours', ['wn'], { inputs: nearFrames.map(() => near), residual: true }) : undefined,
    decode: Array.from({ length: decoderBlocks }, (_, i) => block(`dec.${i}`, false)),
    up: up('texture'),
    answer: up('planar'),
  };
}

/** Does something with each layer. */
export function eachLayer<T, U>(layers: Layers<T>, make: (layer: T) => U): Layers<U> {
  const pairs = (blocks: readonly (readonly [T, T])[]) => blocks.map(([a, b]): [U, U] => [make(a), make(b)]);
  return {
    first: make(layers.first),
    encode: pairs(layers.encode),
    neighbours: layers.neighbours && make(layers.neighbours),
    decode: pairs(layers.decode),
    up: make(layers.up),
    answer: make(layers.answer),
  };
}

/** Whether the weights of all layers fit into uniform buffers. */
export function fitsUniforms(layers: Layers<Layer>, precision: Precision): boolean {
  let fits = true;
  eachLayer(layers, ({ spec }) => {
    fits &&= weightBytes(spec, precision) <= MOST_WEIGHT_BYTES;
  });
  return fits;
}

/** Kernels with the weights of a model. */
export function kernelsOf(
  scope: GpuScope,
  layers: Layers<Layer>,
  weights: Initialisers,
  tuning: Tuning,
  precision: Precision,
): Layers<ConvKernel> {
  return eachLayer(
    layers,
    ({ spec, names, also }) => new ConvKernel(scope, spec, tuning, precision, weights, names, also),
  );
}
