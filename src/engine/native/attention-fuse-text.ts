import { type AttentionPlan, INVOCATIONS } from './attention-plan.js';
import { type AttentionSettings, BLOCK, EPSILON, KEY_POOL } from './attention-settings.js';

/** Where the parts of the kernel's weights begin, in vectors of four. */
export type Offsets = Readonly<Record<'query' | 'queryBias' | 'projection' | 'bias' | 'bank' | 'recall', number>>;

/** How far a logit may be above `shift` before sums are scaled anew: e^8 times a weight loses no digits of fp32. */
const SLACK = 8;

/** The parts of the kernel that are written out for each query, vector or output, so that they stay in registers. */
export class FuseText {
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
export function float(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

function list(count: number, item: (i: number) => string): string[] {
  return Array.from({ length: count }, (_, i) => item(i));
}

function lines(count: number, line: (i: number) => string): string {
  return list(count, line).join('\n');
}
