import { type AttentionPlan, INVOCATIONS, type Precision } from './attention-plan.js';
import { type AttentionSettings, BLOCK, EPSILON, KEY_POOL } from './attention-settings.js';

/** Where the parts of the kernel's weights begin, in vectors of four. */
type Offsets = Readonly<Record<'query' | 'queryBias' | 'projection' | 'bias' | 'bank' | 'recall', number>>;

/** How far a logit may be above `shift` before sums are scaled anew: e^8 times a weight loses no digits of fp32. */
const SLACK = 8;

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

/** The parts of the kernel that are written out for each query, vector or output, so that they stay in registers. */
class FuseText {
  /** Lanes of a group. */
  readonly lanes: number;
  readonly #perSlice: number;

  constructor(
    readonly settings: AttentionSettings,
    readonly plan: AttentionPlan,
    readonly at: Offsets,
  ) {
    this.lanes = plan.queries / plan.perLane;
    this.#perSlice = plan.queries / plan.slices;
  }

  /** Each of a lane's queries: its number, its vectors, one over its length, and its centre in the block. */
  queries(): string {
    const { d4 } = this.plan;
    const { queryPool: pool } = this.settings;
    const side = BLOCK / pool;
    return this.#each(
      (q) => `
  let query${q} = lane % ${this.lanes}u + ${q * this.lanes}u;
${lines(d4, (d) => `  let q${q}_${d} = exchange[query${q} * ${d4}u + ${d}u];`)}
  let unit${q} = inverseSqrt(${list(d4, (d) => `dot(q${q}_${d}, q${q}_${d})`).join(' + ')} + ${EPSILON});
  let centre${q} = vec2f(vec2u(query${q} % ${side}u, query${q} / ${side}u)) * ${float(pool)} + ${float((pool - 1) / 2)};`,
    );
  }

  /** What a lane projects to: vectors of output channels, for the queries of its slice. */
  outputs(): string {
    const { out, slices, passes, queries } = this.plan;
    const start = `  let slice = min(lane / ${out}u, ${slices - 1}u) * ${queries / slices}u;`;
    return `${start}\n${this.#outputs((y, pass) => {
      const bias = `  var ${y} = vec4f(weights[${this.at.bias}u + out${pass}]);`;
      return y.endsWith('_0') ? `  let out${pass} = ${this.#out(pass, passes)};\n${bias}` : bias;
    })}`;
  }

  #out(pass: number, passes: number): string {
    const { out } = this.plan;
    return passes === 1 ? `lane % ${out}u` : `min(lane + ${pass * INVOCATIONS}u, ${out - 1}u)`;
  }

  /** A softmax's sums before the first key, for `width` vectors. */
  begin(width: number): string {
    return this.#each(
      (q) => `    var shift${q} = -1e30;
    var sum${q} = 0.0;
${lines(width, (v) => `    var mix${q}_${v} = vec4f(0.0);`)}`,
    );
  }

  /** Copies rows of the present neighbours' windows into workgroup memory. */
  stage(plane: 'Keys' | 'Values', width: number): string {
    const { rows, reach } = this.plan;
    return `      for (var item = lane; item < present * ${rows * reach * width}u; item += ${INVOCATIONS}u) {
        let at = vec2i(vec2u((item / ${width}u) % ${reach}u, (item / ${reach * width}u) % ${rows}u)) + vec2i(0, row);
        if (at.x >= first.x && at.x < last.x && at.y < last.y) {
          let key = vec2u(corner + at);
          let start = neighbours[round + item / ${rows * reach * width}u].slot * slotKeys;
          let index = start + key.y * (place.plane.x / ${KEY_POOL}u) + key.x;
          staged${plane}[item] = ${plane.toLowerCase()}[index * ${width}u + item % ${width}u];
        }
      }`;
  }

  /** Key `k` at `at`, seen by each of a lane's queries. */
  visit(): string {
    const { d4, v4 } = this.plan;
    return `${lines(d4, (d) => `            let k${d} = vec4f(stagedKeys[k * ${d4}u + ${d}u]);`)}
${lines(v4, (v) => `            let v${v} = vec4f(stagedValues[k * ${v4}u + ${v}u]);`)}
${this.#each(
  (q) => `            {
              let away = at - centre${q};
              let logit = neighbour.tau * unit${q} * (${this.#dot(q)}) - neighbour.falloff * dot(away, away);
${this.#mix(q, v4, (v) => `v${v}`)}
            }`,
)}`;
  }

  #dot(q: number): string {
    return list(this.plan.d4, (d) => `dot(q${q}_${d}, k${d})`).join(' + ');
  }

  /** Takes one value into a query's softmax by its `logit`. */
  #mix(q: number, width: number, value: (v: number) => string): string {
    return `              if (logit > shift${q} + ${float(SLACK)}) {
                let keep = exp(max(shift${q} - logit, -80.0));
                shift${q} = logit;
                sum${q} *= keep;
${lines(width, (v) => `                mix${q}_${v} *= keep;`)}
              }
              let weight${q} = exp(logit - shift${q});
              sum${q} += weight${q};
${lines(width, (v) => `              mix${q}_${v} += weight${q} * ${value(v)};`)}`;
  }

  /** Hands what a lane has mixed to all lanes, times `scale`. */
  tell(group: string, width: number, scale = (q: number): string => `1.0 / sum${q}`): string {
    const { queries } = this.plan;
    return this.#each(
      (q) => `      let scale${q} = ${scale(q)};
${lines(width, (v) => `      exchange[(${group} * ${queries}u + query${q}) * ${width}u + ${v}u] = mix${q}_${v} * scale${q};`)}`,
    );
  }

  /** Adds the product of a matrix, whose row begins at `row`, with four inputs of each query to the outputs. */
  project(row: string, input: (query: string) => string): string {
    const { passes } = this.plan;
    const matrices = lines(passes, (pass) => `        let m${pass} = column(${row} + 4u * out${pass});`);
    const sums = list(this.#perSlice, (n) => {
      const added = list(passes, (pass) => ` y${pass}_${n} += m${pass} * a;`).join('');
      return `        { let a = ${input(`slice + ${n}u`)};${added} }`;
    });
    return [matrices, ...sums].join('\n');
  }

  /** The memory bank: each group of lanes asks a part of it, and the parts are told by how much they weigh. */
  memory(): string {
    const { d4, queries, bankParts: parts } = this.plan;
    const { dim, memory } = this.settings;
    const recalled = (query: string): string =>
      list(parts, (part) => `exchange[(${part * queries}u + ${query}) * ${d4}u + d]`).join(' + ');
    return `  {
    let asks = group < ${parts}u;
${this.begin(d4)}
    if (asks) {
      for (var n = group; n < ${memory}u; n += ${parts}u) {
${lines(d4, (d) => `        let k${d} = vec4f(weights[${this.at.bank}u + n * ${d4}u + ${d}u]);`)}
${this.#each(
  (q) => `        {
              let logit = ${float(dim ** -0.5)} * (${this.#dot(q)});
${this.#mix(q, d4, (d) => `k${d}`)}
        }`,
)}
      }
${this.#each((q) => `      sums[group * ${queries}u + query${q}] = vec2f(shift${q}, sum${q});`)}
    }
    workgroupBarrier();
    if (asks) {
${this.#each(
  (q) => `      var most${q} = shift${q};
      for (var part = 0u; part < ${parts}u; part++) { most${q} = max(most${q}, sums[part * ${queries}u + query${q}].x); }
      var all${q} = 0.0;
      for (var part = 0u; part < ${parts}u; part++) {
        let told = sums[part * ${queries}u + query${q}];
        all${q} += told.y * exp(max(told.x - most${q}, -80.0));
      }`,
)}
${this.tell('group', d4, (q) => `exp(max(shift${q} - most${q}, -80.0)) / all${q}`)}
    }
    workgroupBarrier();
    for (var d = 0u; d < ${d4}u; d++) {
${this.project(`${this.at.recall}u + 4u * ${this.plan.out}u * d`, recalled)}
    }
  }`;
  }

  /** Adds each output to the plane where its pixel is. */
  write(type: string): string {
    const { c4, out, passes } = this.plan;
    const { queryPool: pool } = this.settings;
    const side = BLOCK / pool;
    return list(passes, (pass) => {
      const guard = passes === 1 ? '' : `if (lane + ${pass * INVOCATIONS}u < ${out}u) `;
      const writes = list(this.#perSlice, (n) => {
        const query = `(slice + ${n}u)`;
        return `      {
        let pixel = corner + ${pool}u * vec2u(${query} % ${side}u, ${query} / ${side}u);
        let index = (pixel.y * place.plane.x + pixel.x) * ${c4}u + out${pass} % ${c4}u;
        z[index] = ${type}(vec4f(base[index]) + y${pass}_${n});
      }`;
      });
      return `    ${guard}{
      let sub = out${pass} / ${c4}u;
      let corner = block + vec2u(sub % ${pool}u, sub / ${pool}u);
${writes.join('\n')}
    }`;
    }).join('\n');
  }

  #each(text: (query: number) => string): string {
    return lines(this.plan.perLane, text);
  }

  #outputs(text: (name: string, pass: number) => string): string {
    return list(this.plan.passes, (pass) => lines(this.#perSlice, (n) => text(`y${pass}_${n}`, pass))).join('\n');
  }
}

/** A number as WGSL writes fp32. */
function float(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

function list(count: number, item: (i: number) => string): string[] {
  return Array.from({ length: count }, (_, i) => item(i));
}

function lines(count: number, line: (i: number) => string): string {
  return list(count, line).join('\n');
}
