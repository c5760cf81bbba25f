import type { GpuScope, WgslModule } from '../webgpu/device.js';
import { BlockKernel, type BlockSpec, blockSource, blockWeightBytes, fitsBlock } from './block.js';
import { type ConvSpec, convSource, type Precision, type Tuning, weightBytes } from './conv.js';
import { ConvKernel } from './conv-kernel.js';
import type { Initialisers } from './initialisers.js';
import type { LiveSettings } from './settings.js';

/** One convolution of a network: its kernel's shape, and the layers of the graph whose weights it has. */
export interface ConvLayer {
  readonly kind: 'conv';
  readonly spec: ConvSpec;
  readonly names: readonly string[];
  readonly also?: string;
}

/** A residual block as one kernel, by its name in the graph. */
export interface BlockLayer {
  readonly kind: 'block';
  readonly spec: BlockSpec;
  readonly name: string;
}

/** What is one dispatch. */
export type Layer = ConvLayer | BlockLayer;
/** A layer with its weights on the GPU. */
export type Kernel = ConvKernel | BlockKernel;

/** A network's convolutions, in their order. */
export interface Layers<T> {
  readonly first: T;
  /** Of the encoder's residual blocks, `x + b(relu(a(x)))`. The last one makes the plane `near` besides. */
  readonly encode: readonly (readonly T[])[];
  /** Neighbours, added to the centre's features. */
  readonly neighbours: T | undefined;
  readonly decode: readonly (readonly T[])[];
  /** Enlarged, onto the output picture, and as numbers. */
  readonly up: T;
  readonly answer: T;
}

/**
 * The layers of a network. The encoder's blocks are two dispatches each: that is the least arithmetic. The decoder's, of which
 * there are few, are one where workgroup memory allows it.
 */
export function layersOf(settings: LiveSettings, precision: Precision): Layers<Layer> {
  const { channels: c, near, nearFrames, recurrent, encoderBlocks, decoderBlocks, scale } = settings;
  const conv = (label: string, names: readonly string[], spec: Partial<ConvSpec>, also?: string): Layer => ({
    kind: 'conv',
    spec: { label, inputs: [c], out: c, activation: 'none', residual: false, to: 'plane', ...spec },
    names,
    ...(also === undefined ? {} : { also }),
  });
  const block = (name: string, besides: boolean): Layer[] => [
    conv('convolution', [`${name}.a`], { activation: 'relu' }),
    besides && near > 0
      ? conv('convolution, near', [`${name}.b`], { residual: true, also: near }, 'near')
      : conv('convolution, residual', [`${name}.b`], { residual: true }),
  ];
  const whole = (name: string): Layer => ({ kind: 'block', spec: { label: 'residual block', channels: c }, name });
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
    decode: Array.from({ length: decoderBlocks }, (_, i) =>
      fitsBlock(c, precision) ? [whole(`dec.${i}`)] : block(`dec.${i}`, false),
    ),
    up: up('texture'),
    answer: up('planar'),
  };
}

/** Does something with each layer. */
export function eachLayer<T, U>(layers: Layers<T>, make: (layer: T) => U): Layers<U> {
  const blocks = (list: readonly (readonly T[])[]): U[][] => list.map((block) => block.map(make));
  return {
    first: make(layers.first),
    encode: blocks(layers.encode),
    neighbours: layers.neighbours && make(layers.neighbours),
    decode: blocks(layers.decode),
    up: make(layers.up),
    answer: make(layers.answer),
  };
}

/** Whether the weights of all layers fit into uniform buffers of so many bytes. */
export function fitsUniforms(layers: Layers<Layer>, precision: Precision, most: number): boolean {
  let fits = true;
  eachLayer(layers, (layer) => {
    const bytes =
      layer.kind === 'conv' ? weightBytes(layer.spec, precision) : blockWeightBytes(layer.spec, precision) / 2;
    fits &&= bytes <= most;
  });
  return fits;
}

/** The modules of all layers. */
export function modulesOf(layers: Layers<Layer>, tuning: Tuning, precision: Precision): WgslModule[] {
  const modules: WgslModule[] = [];
  eachLayer(layers, ({ kind, spec }) => {
    const code = kind === 'conv' ? convSource(spec, tuning, precision) : blockSource(spec, precision);
    if (!modules.some((known) => known.code === code)) modules.push({ label: spec.label, code });
  });
  return modules;
}

/** Kernels with the weights of a model. Their modules are compiled at once where they are not already. */
export function kernelsOf(
  scope: GpuScope,
  layers: Layers<Layer>,
  weights: Initialisers,
  tuning: Tuning,
  precision: Precision,
): Layers<Kernel> {
  return eachLayer(layers, (layer) =>
    layer.kind === 'conv'
      ? new ConvKernel(scope, layer.spec, tuning, precision, weights, layer.names, layer.also)
      : new BlockKernel(scope, layer.spec, precision, weights, layer.name),
  );
}
