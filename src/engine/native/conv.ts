import type { Initialisers } from './initialisers.js';

/** What planes are made of, and what is computed in. */
export type Precision = 'f32' | 'f16';

/** A convolution of 3x3 pixels as one dispatch, with what follows it. All counts of channels are multiples of four. */
export interface ConvSpec {
  readonly label: string;
  /** Planes whose channels are read one after another. `rgb`: planar fp32 `[3, height, width]` instead. */
  readonly inputs: readonly (number | 'rgb')[];
  /** Channels of the result. */
  readonly out: number;
  readonly activation: 'none' | 'relu' | 'leaky-relu';
  /** Whether a plane like the result is added to it. */
  readonly residual: boolean;
  /** Channels that a 1x1 convolution makes of the result besides. */
  readonly also?: number;
  /**
   * Where the result goes: into a plane; or, as the detail of a picture enlarged by `scale`, onto the bilinear picture of
   * `rgb`, into a texture or as planar fp32.
   */
  readonly to: 'plane' | { readonly kind: 'texture' | 'planar'; readonly scale: number };
}

/** How the work is cut: what a GPU is tuned by. */
export interface Tuning {
  /** Pixels in a row that one invocation makes: weights are read once for all of them. */
  readonly pixels: 1 | 2 | 4;
  /** Groups of four channels that one invocation makes, at most. */
  readonly groups: number;
  /** Invocations of a workgroup along x and y. */
  readonly workgroup: readonly [x: number, y: number];
}

/** What is good on most GPUs: some 100 registers. */
export const USUAL_TUNING: Tuning = { pixels: 4, groups: 4, workgroup: [8, 8] };

/** Bytes of a WebGPU uniform buffer binding by default, within which weights must fit. */
export const MOST_WEIGHT_BYTES = 65_536;

/** The tuning as far as a kernel allows it: what follows a convolution needs all its channels in one invocation. */
export function tuned(spec: ConvSpec, tuning: Tuning): Tuning {
  const all = spec.out / 4;
  if (spec.to !== 'plane' || spec.also) return { ...tuning, groups: all, pixels: all > 4 ? 1 : tuning.pixels };
  let groups = Math.min(all, tuning.groups);
  while (all % groups) groups--;
  return { ...tuning, groups };
}

/** Workgroups for a rectangle. */
export function workgroups(spec: ConvSpec, tuning: Tuning, width: number, height: number): [number, number, number] {
  const { pixels, groups, workgroup } = tuned(spec, tuning);
  return [
    Math.ceil(width / (pixels * workgroup[0])),
    Math.ceil(height / workgroup[1]),
    Math.ceil(spec.out / 4 / groups),
  ];
}

const groupsOf = (input: number | 'rgb'): number => (input === 'rgb' ? 1 : input / 4);

/** Groups of four input channels, of all planes. */
function inputGroups({ inputs }: ConvSpec): number {
  return inputs.reduce<number>((sum, input) => sum + groupsOf(input), 0);
}

/** Matrices of 4x4: weights by tap, input group and output group; biases; then the same of the 1x1 convolution. */
export function matrices(spec: ConvSpec): {
  conv: number;
  biases: number;
  also: number;
  alsoBiases: number;
  all: number;
} {
  const out = spec.out / 4;
  const also = (spec.also ?? 0) / 4;
  const biases = 9 * inputGroups(spec) * out;
  const alsoAt = biases + Math.ceil(out / 4);
  const alsoBiases = alsoAt + out * also;
  return { conv: 0, biases, also: alsoAt, alsoBiases, all: alsoBiases + Math.ceil(also / 4) };
}

/** Bytes of a kernel's weights. */
export function weightBytes(spec: ConvSpec, precision: Precision): number {
  return matrices(spec).all * (precision === 'f16' ? 32 : 64);
}

/**
 * Weights for a kernel, in single precision, in the order it reads them. Layers are named as in the graph; those that share
 * an output (the first convolution and the one of the frame before) follow one another.
 */
export function packWeights(
  spec: ConvSpec,
  weights: Initialisers,
  names: readonly string[],
  also?: string,
): Float32Array<ArrayBuffer> {
  const at = matrices(spec);
  const packed = new Float32Array(at.all * 16);
  const outGroups = spec.out / 4;
  const layers = names.map((name) => layerOf(weights, name));
  let group = 0;
  for (const { weight, inputs, outputs, bias } of layers) {
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        for (let tap = 0; tap < 9; tap++) {
          const matrix = (tap * inputGroups(spec) + group + (i >> 2)) * outGroups + (o >> 2);
          packed[matrix * 16 + (i & 3) * 4 + (o & 3)] = weight[(o * inputs + i) * 9 + tap] ?? 0;
        }
      }
      (packed[at.biases * 16 + o] as number) += bias[o] ?? 0;
    }
    group += Math.ceil(inputs / 4);
  }
  if (also !== undefined) {
    const { weight, inputs, outputs, bias } = layerOf(weights, also);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        const matrix = at.also + (i >> 2) * ((spec.also ?? 0) / 4) + (o >> 2);
        packed[matrix * 16 + (i & 3) * 4 + (o & 3)] = weight[o * inputs + i] ?? 0;
      }
      packed[at.alsoBiases * 16 + o] = bias[o] ?? 0;
    }
  }
  return packed;
}

function layerOf(weights: Initialisers, name: string) {
  const weight = weights.get(`${name}.weight`);
  const bias = weights.get(`${name}.bias`);
  const [outputs = 0, inputs = 0] = weight?.dims ?? [];
  if (!weight || !bias) throw new RangeError(`The network has no layer ${name}.`);
  return { weight: weight.data, bias: bias.data, outputs, inputs };
}

/** Multiply-adds of a pixel. */
export function macsPerPixel(spec: ConvSpec): number {
  return 9 * inputGroups(spec) * 4 * spec.out + spec.out * (spec.also ?? 0);
}

/**
 * The kernel. Group 0: weights, parameters. Group 1: the inputs in their order, what is added, for a picture its `rgb`, the
 * result, and what is made of it besides.
 *
 * One invocation makes some pixels in a row of some channels. Neither barriers nor workgroup memory: a pixel is read by few
 * neighbours, and caches hold it; weights are the same for all invocations at any time, which is what uniform buffers are for.
 */
export function convSource(spec: ConvSpec, tuning: Tuning, precision: Precision): string {
  const { pixels, groups, workgroup } = tuned(spec, tuning);
  const at = matrices(spec);
  const outGroups = spec.out / 4;
  const inGroups = inputGroups(spec);
  const P = Array.from({ length: pixels }, (_, p) => p);
  const G = Array.from({ length: groups }, (_, g) => g);
  const T = precision;
  const picture = spec.to === 'plane' ? undefined : spec.to;
  const bindings: string[] = [
    `var<uniform> weights: array<mat4x4<${T}>, ${at.all}>;`,
    'var<uniform> p: Params;',
    ...spec.inputs.map((input, i) =>
      input === 'rgb' ? `var<storage, read> in${i}: array<f32>;` : `var<storage, read> in${i}: array<vec4<${T}>>;`,
    ),
    ...(spec.residual ? [`var<storage, read> added: array<vec4<${T}>>;`] : []),
    ...(picture ? ['var<storage, read> rgb: array<f32>;'] : []),
    picture === undefined
      ? `var<storage, read_write> result: array<vec4<${T}>>;`
      : picture.kind === 'texture'
        ? 'var result: texture_storage_2d<rgba8unorm, write>;'
        : 'var<storage, read_write> result: array<f32>;',
    ...(spec.also ? [`var<storage, read_write> besides: array<vec4<${T}>>;`] : []),
  ];
  const loads = (input: number | 'rgb', i: number): string =>
    Array.from({ length: pixels + 2 }, (_, k) => {
      const x = `c${k}`;
      const value =
        input === 'rgb'
          ? `vec4<${T}>(vec4f(in${i}[line + ${x}], in${i}[area + line + ${x}], in${i}[2u * area + line + ${x}], 0.0))`
          : `in${i}[(line + ${x}) * ${input / 4}u + ci]`;
      return `      let v${k} = select(vec4<${T}>(), ${value}, i${k});`;
    }).join('\n');
  let first = 0;
  const reads = spec.inputs.map((input, i) => {
    const count = groupsOf(input);
    const before = first;
    first += count;
    const products = [0, 1, 2]
      .map((kx) =>
        G.map((g) => {
          const matrix = `weights[((ky * 3u + ${kx}u) * ${inGroups}u + ${before}u + ci) * ${outGroups}u + first + ${g}u]`;
          return `      { let m = ${matrix}; ${P.map((q) => `a${q}_${g} += m * v${q + kx};`).join(' ')} }`;
        }).join('\n'),
      )
      .join('\n');
    return `    for (var ci = 0u; ci < ${count}u; ci++) {\n${loads(input, i)}\n${products}\n    }`;
  });
  const activate = (value: string): string =>
    spec.activation === 'relu'
      ? `max(${value}, vec4<${T}>())`
      : spec.activation === 'leaky-relu'
        ? `max(${value}, ${value} * ${T}(0.1))`
        : value;
  const stores = P.map((q) => {
    const lines: string[] = [];
    for (const g of G) {
      const added = spec.residual ? ` + added[(at + ${q}u) * ${outGroups}u + first + ${g}u]` : '';
      lines.push(`    let r${g} = ${activate(`a${q}_${g}`)}${added};`);
      if (!picture) lines.push(`    result[(at + ${q}u) * ${outGroups}u + first + ${g}u] = r${g};`);
    }
    const also = (spec.also ?? 0) / 4;
    for (let k = 0; k < also; k++) {
      const sum = G.map((g) => `weights[${at.also + g * also + k}] * r${g}`).join(' + ');
      lines.push(
        `    besides[(at + ${q}u) * ${also}u + ${k}u] = weights[${at.alsoBiases + (k >> 2)}][${k & 3}] + ${sum};`,
      );
    }
    if (picture) lines.push(enlarged(picture, q));
    return `  if (x + ${q}u < end) {\n${lines.join('\n')}\n  }`;
  });
  return `${precision === 'f16' ? 'enable f16;\n' : ''}
struct Params { origin: vec2u, size: vec2u, plane: vec2u, picture: vec2u }
${bindings.map((binding, i) => `@group(${i < 2 ? 0 : 1}) @binding(${i < 2 ? i : i - 2}) ${binding}`).join('\n')}

@compute @workgroup_size(${workgroup[0]}, ${workgroup[1]})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x * ${pixels}u >= p.size.x || id.y >= p.size.y) { return; }
  let first = id.z * ${groups}u;
  let x = p.origin.x + id.x * ${pixels}u;
  let y = p.origin.y + id.y;
  let end = p.origin.x + p.size.x;
  let area = p.plane.x * p.plane.y;
  // A column outside the picture is zero; what is read in its place lies inside.
${Array.from({ length: pixels + 2 }, (_, k) => `  let i${k} = x + ${k}u >= 1u && x + ${k}u <= p.plane.x;\n  let c${k} = min(max(x + ${k}u, 1u) - 1u, p.plane.x - 1u);`).join('\n')}
${G.map((g) => `  let b${g} = weights[${at.biases}u + ((first + ${g}u) >> 2u)][(first + ${g}u) & 3u];`).join('\n')}
${P.flatMap((q) => G.map((g) => `  var a${q}_${g} = b${g};`)).join('\n')}
  for (var ky = 0u; ky < 3u; ky++) {
    if (y + ky < 1u || y + ky > p.plane.y) { continue; }
    let line = (y + ky - 1u) * p.plane.x;
${reads.join('\n')}
  }
  let at = y * p.plane.x + x;
${stores.join('\n')}
}
${picture ? SAMPLE : ''}`;
}

const SAMPLE = /* wgsl */ `
fn sample(x: i32, y: i32) -> vec3f {
  let area = p.plane.x * p.plane.y;
  let at = vec2u(clamp(vec2i(x, y), vec2i(), vec2i(p.plane) - 1));
  let pixel = at.y * p.plane.x + at.x;
  return vec3f(rgb[pixel], rgb[area + pixel], rgb[2u * area + pixel]);
}
`;

/** Pixel shuffle of the results, on the bilinear picture (half-pixel centres, edges repeated). */
function enlarged({ kind, scale }: { kind: 'texture' | 'planar'; scale: number }, q: number): string {
  const lines: string[] = [];
  const steps = [-1, 0, 1];
  for (const dy of steps) {
    for (const dx of steps) {
      const name = `s${dy + 1}${dx + 1}`;
      lines.push(`    let ${name} = sample(i32(x) + ${q + dx}, i32(y) + ${dy});`);
    }
  }
  const places = Array.from({ length: scale }, (_, i) => {
    const place = (i + 0.5) / scale - 0.5;
    return { low: Math.floor(place), share: place - Math.floor(place) };
  });
  const mixed = (a: string, b: string, share: number): string => `mix(${a}, ${b}, ${share.toFixed(6)})`;
  places.forEach(({ low: row, share: down }, i) => {
    places.forEach(({ low: column, share: right }, j) => {
      const corner = (dy: number, dx: number): string => `s${row + dy + 1}${column + dx + 1}`;
      const base = mixed(mixed(corner(0, 0), corner(0, 1), right), mixed(corner(1, 0), corner(1, 1), right), down);
      const detail = [0, 1, 2].map((channel) => {
        const index = channel * scale ** 2 + i * scale + j;
        return `f32(r${index >> 2}[${index & 3}])`;
      });
      const to = `vec2u((x + ${q}u) * ${scale}u + ${j}u, y * ${scale}u + ${i}u)`;
      lines.push(`    { let to = ${to}; let value = ${base} + vec3f(${detail.join(', ')});`);
      if (kind === 'texture') {
        lines.push('      if (all(to < p.picture)) { textureStore(result, to, vec4f(saturate(value), 1.0)); } }');
      } else {
        lines.push(
          `      let stride = p.plane.x * ${scale}u; let size = stride * p.plane.y * ${scale}u; let index = to.y * stride + to.x;`,
          '      result[index] = value.r; result[size + index] = value.g; result[2u * size + index] = value.b; }',
        );
      }
    });
  });
  return lines.join('\n');
}
