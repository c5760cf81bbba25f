import { FuseText, float, type Offsets } from './attention-fuse-text.js';
import { type AttentionPlan, INVOCATIONS } from './attention-plan.js';
import { type AttentionSettings, BLOCK, KEY_POOL } from './attention-settings.js';
import type { Precision } from './conv.js';

/**
 * Attention of a block of 8x8 pixels to its neighbours' windows and to the memory bank, projected and added to a plane.
 *
 * Lanes stand in groups of one neighbour each. Rows of the groups' windows go through workgroup memory; each lane keeps
 * a softmax's sums for its queries, online: exponents are taken from `shift`, and when a logit is far above it, the sums
 * are scaled to the new one. Keys outside the picture are not visited, which is what a mask would do. Then all lanes
 * project what the groups have mixed, and keep the block's outputs in registers until all neighbours are done.
 */
export function fuseWgsl(settings: AttentionSettings, plan: AttentionPlan, at: Offsets, precision: Precision): string {
  const { queryPool: pool, halo } = settings;
  const { c4, d4, v4, queries, reach, frames, groups, rows, out, slices, exchange, bankParts } = plan;
  const side = BLOCK / pool;
  const kernel = new FuseText(settings, plan, at);
  const type = `vec4<${precision}>`;
  return /* wgsl */ `${precision === 'f16' ? 'enable f16;\n' : ''}
struct Place { origin: vec2u, size: vec2u, plane: vec2u, slot: u32, unused: u32 }
struct Neighbour { slot: u32, tau: f32, falloff: f32, unused: u32 }
@group(0) @binding(0) var<storage, read> feat: array<${type}>;
@group(0) @binding(1) var<storage, read> base: array<${type}>;
@group(0) @binding(2) var<storage, read> keys: array<${type}>;
@group(0) @binding(3) var<storage, read> values: array<${type}>;
@group(0) @binding(4) var<storage, read> weights: array<${type}>;
@group(0) @binding(5) var<storage, read_write> z: array<${type}>;
@group(0) @binding(6) var<uniform> place: Place;
@group(0) @binding(7) var<uniform> neighbours: array<Neighbour, ${frames}>;

var<workgroup> exchange: array<vec4f, ${exchange}>;
var<workgroup> stagedKeys: array<${type}, ${groups * rows * reach * d4}>;
var<workgroup> stagedValues: array<${type}, ${groups * rows * reach * v4}>;
${bankParts ? `var<workgroup> sums: array<vec2f, ${bankParts * queries}>;` : ''}

fn column(at: u32) -> mat4x4f {
  return mat4x4f(vec4f(weights[at]), vec4f(weights[at + 1u]), vec4f(weights[at + 2u]), vec4f(weights[at + 3u]));
}

@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = place.origin + ${BLOCK}u * id.xy;

  for (var item = lane; item < ${queries * d4}u; item += ${INVOCATIONS}u) {
    let query = item / ${d4}u;
    let d = item % ${d4}u;
    let corner = block + ${pool}u * vec2u(query % ${side}u, query / ${side}u);
    var sum = vec4f(weights[${at.queryBias}u + d]);
    for (var pixel = 0u; pixel < ${pool * pool}u; pixel++) {
      let read = (corner.y + pixel / ${pool}u) * place.plane.x + corner.x + pixel % ${pool}u;
      for (var c = 0u; c < ${c4}u; c++) {
        sum += column(${at.query}u + 4u * ((pixel * ${c4}u + c) * ${d4}u + d)) * vec4f(feat[read * ${c4}u + c]);
      }
    }
    exchange[item] = sum;
  }
  workgroupBarrier();

  let group = lane / ${kernel.lanes}u;
${kernel.queries()}
${kernel.outputs()}

  // The window's keys, counted from its corner: those from \`first\` to before \`last\` are in the picture.
  let corner = vec2i(block / ${KEY_POOL}u) - ${halo / KEY_POOL};
  let first = max(vec2i(0), -corner);
  let last = min(vec2i(${reach}), vec2i(place.plane / ${KEY_POOL}u) - corner);
  let slotKeys = (place.plane.x / ${KEY_POOL}u) * (place.plane.y / ${KEY_POOL}u);
  for (var round = 0u; round < ${frames}u; round += ${groups}u) {
    let attends = group < ${groups}u && round + group < ${frames}u;
    let neighbour = neighbours[min(round + group, ${frames - 1}u)];
    let present = min(${groups}u, ${frames}u - round);
${kernel.begin(v4)}
    for (var row = first.y; row < last.y; row += ${rows}) {
      workgroupBarrier();
${kernel.stage('Keys', d4)}
${kernel.stage('Values', v4)}
      workgroupBarrier();
      if (attends) {
        for (var y = row; y < min(row + ${rows}, last.y); y++) {
          for (var x = first.x; x < last.x; x++) {
            let k = (group * ${rows}u + u32(y - row)) * ${reach}u + u32(x);
            let at = vec2f(vec2i(x, y)) * ${float(KEY_POOL)} + ${float((KEY_POOL - 1) / 2 - halo)};
${kernel.visit()}
          }
        }
      }
    }
    if (attends) {
${kernel.tell('group', v4)}
    }
    workgroupBarrier();
    for (var told = 0u; told < present; told++) {
      for (var v = 0u; v < ${v4}u; v++) {
${kernel.project(`${at.projection}u + 4u * ${out}u * ((round + told) * ${v4}u + v)`, (query) => `exchange[(told * ${queries}u + ${query}) * ${v4}u + v]`)}
      }
    }
  }
${bankParts ? kernel.memory() : ''}
  // Lanes beyond the slices have worked along with the last one, and write nothing.
  if (lane < ${Math.min(INVOCATIONS, slices * out)}u) {
${kernel.write(type)}
  }
}
`;
}
