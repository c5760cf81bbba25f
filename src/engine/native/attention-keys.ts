import { vectors } from './attention-plan.js';
import { type AttentionSettings, EPSILON } from './attention-settings.js';
import type { Precision } from './conv.js';

/** Lanes along each side of a workgroup. */
const SIDE = 8;
/** Vectors of results that one lane keeps in registers at most. */
const MOST_VECTORS = 24;

/** Positions of the pooled planes that one lane makes: each weight it loads serves all of them. */
export function positionsPerLane(settings: AttentionSettings): 1 | 2 {
  return 2 * (vectors(settings.dim) + vectors(settings.valueDim)) <= MOST_VECTORS ? 2 : 1;
}

/** Workgroups for a rectangle of `width` x `height` low-resolution pixels. */
export function keysWorkgroups(settings: AttentionSettings, width: number, height: number): [number, number] {
  return [Math.ceil(width / 2 / (SIDE * positionsPerLane(settings))), Math.ceil(height / 2 / SIDE)];
}

/**
 * Keys and values of a frame, both in one go: 2x2 convolutions of stride 2, keys made unit. A lane makes one or two
 * positions that lie side by side.
 */
export function keysWgsl(
  settings: AttentionSettings,
  at: { readonly matrix: number; readonly bias: number },
  precision: Precision,
): string {
  const [c4, d4, v4] = [vectors(settings.channels), vectors(settings.dim), vectors(settings.valueDim)];
  const outs = d4 + v4;
  const positions = positionsPerLane(settings);
  const each = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('\n');
  const all = (line: (position: number, out: number) => string): string =>
    each(positions, (p) => each(outs, (o) => line(p, o)));
  const squares = (p: number): string =>
    Array.from({ length: d4 }, (_, d) => `dot(r${p}_${d}, r${p}_${d})`).join(' + ');
  return /* wgsl */ `${precision === 'f16' ? 'enable f16;\n' : ''}
struct Place { origin: vec2u, size: vec2u, plane: vec2u, slot: u32, unused: u32 }
@group(0) @binding(0) var<storage, read> feat: array<vec4<${precision}>>;
@group(0) @binding(1) var<storage, read> weights: array<vec4<${precision}>>;
@group(0) @binding(2) var<storage, read_write> keys: array<vec4<${precision}>>;
@group(0) @binding(3) var<storage, read_write> values: array<vec4<${precision}>>;
@group(0) @binding(4) var<uniform> place: Place;

@compute @workgroup_size(${SIDE}, ${SIDE})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let inside = vec2u(${positions}u * id.x, id.y);
  if (inside.x >= place.size.x / 2u || inside.y >= place.size.y / 2u) { return; }
  let position = place.origin / 2u + inside;
${all((p, o) => `  var r${p}_${o} = vec4f(weights[${at.bias + o}u]);`)}
  for (var pixel = 0u; pixel < 4u; pixel++) {
    let row = (2u * position.y + pixel / 2u) * place.plane.x + 2u * position.x + pixel % 2u;
    for (var c = 0u; c < ${c4}u; c++) {
${each(positions, (p) => `      let f${p} = vec4f(feat[(row + ${2 * p}u) * ${c4}u + c]);`)}
      let w = ${at.matrix}u + 4u * ${outs}u * (pixel * ${c4}u + c);
${each(
  outs,
  (o) => `      let m${o} = mat4x4f(${[0, 1, 2, 3].map((j) => `vec4f(weights[w + ${4 * o + j}u])`).join(', ')});
${each(positions, (p) => `      r${p}_${o} += m${o} * f${p};`)}`,
)}
    }
  }
  let index = (place.slot * (place.plane.y / 2u) + position.y) * (place.plane.x / 2u) + position.x;
${each(
  positions,
  (p) => `  let unit${p} = inverseSqrt(${squares(p)} + ${EPSILON});
${each(d4, (d) => `  keys[(index + ${p}u) * ${d4}u + ${d}u] = vec4<${precision}>(r${p}_${d} * unit${p});`)}
${each(v4, (v) => `  values[(index + ${p}u) * ${v4}u + ${v}u] = vec4<${precision}>(r${p}_${d4 + v});`)}`,
)}
}
`;
}
