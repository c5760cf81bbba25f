import type { Precision } from '../../src/engine/native/conv.js';
import { GpuDevice, type GpuScope } from '../../src/engine/webgpu/device.js';
import { ReadBack } from '../../src/engine/webgpu/read-back.js';
import { median, repeats } from './rounds.js';

/** How a product of matrices is cut. */
interface Cut {
  /** Of the result, made by one invocation. Columns come in fours. */
  readonly rows: number;
  readonly fours: number;
  readonly workgroup: readonly [x: number, y: number];
  /** Both factors go through workgroup memory. */
  readonly shared: boolean;
}

/** The best of these counts as the adapter's peak. All fit into the limits of the compatibility level. */
const CUTS: readonly Cut[] = [
  ...[4, 8].flatMap((rows) =>
    [1, 2].flatMap((fours): Cut[] => [
      { rows, fours, workgroup: [8, 8], shared: false },
      { rows, fours, workgroup: [16, 8], shared: false },
      { rows, fours, workgroup: [16, 8], shared: true },
    ]),
  ),
];

/** Sides of the matrices: what a GPU is busy with, and what software can do. */
const LARGE = 1024;
const SMALL = 256;
/** A small product takes less than this on a GPU. */
const QUICK_MS = 1.5;
const BATCH_MS = 30;

/**
 * Multiply-adds per second of the best of some plain products of matrices: what kernels can be held against.
 * @param tries products that are tried at most
 * @throws Error where a product is wrong
 */
export async function measurePeak(
  adapter: GPUAdapter,
  precision: Precision,
  tries: number,
  onProgress: (share: number) => void,
): Promise<number> {
  const gpu = await GpuDevice.request(adapter, () => undefined);
  try {
    return await gpu.guard(async () => {
      const cuts = CUTS.slice(0, tries);
      const [first] = cuts;
      const small = await once(gpu, SMALL, precision, first as Cut, 1);
      const side = small < QUICK_MS ? LARGE : SMALL;
      let best = 0;
      for (const [i, cut] of cuts.entries()) {
        const ms = await once(gpu, side, precision, cut, BATCH_MS);
        best = Math.max(best, side ** 3 / (ms / 1000));
        onProgress((i + 1) / cuts.length);
      }
      return best;
    });
  } finally {
    gpu.destroy();
  }
}

/** Milliseconds of one product, the median of three batches. */
async function once(gpu: GpuDevice, side: number, precision: Precision, cut: Cut, batchMs: number): Promise<number> {
  const scope = gpu.scope();
  try {
    const pipeline = await gpu.checked(() => gpu.pipeline('product', productSource(side, cut, precision)));
    const [a, b] = [factor(scope, side, precision, 7), factor(scope, side, precision, 3)];
    const result = scope.buffer('result', side * side * 4);
    const group = gpu.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [a, b, result].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const { rows, fours, workgroup } = cut;
    const batch = async (count: number): Promise<number> => {
      const start = performance.now();
      gpu.submit((encoder) => {
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        for (let i = 0; i < count; i++) {
          pass.dispatchWorkgroups(side / (4 * fours * workgroup[0]), side / (rows * workgroup[1]));
        }
        pass.end();
      });
      await gpu.settled();
      return (performance.now() - start) / count;
    };
    await batch(1);
    await check(scope, result, side, precision);
    // A wait for a GPU takes a while of its own: it is told by many at once.
    const count = repeats(await batch(repeats(await batch(1), batchMs, 20)), batchMs, 400);
    return median([await batch(count), await batch(count), await batch(count)]);
  } finally {
    scope.dispose();
  }
}

/** Numbers -1, 0 and 1: every sum is exact, in half precision, too. */
const value = (row: number, column: number, seed: number): number => ((row * seed + column * 5 + row * column) % 3) - 1;

function factor(scope: GpuScope, side: number, precision: Precision, seed: number): GPUBuffer {
  const buffer = scope.buffer('factor', side * side * (precision === 'f16' ? 2 : 4));
  const numbers = precision === 'f16' ? new Uint16Array(side * side) : new Float32Array(side * side);
  const [minus, plus] = precision === 'f16' ? [0xbc00, 0x3c00] : [-1, 1];
  for (let i = 0; i < numbers.length; i++) {
    const number = value(Math.floor(i / side), i % side, seed);
    numbers[i] = number < 0 ? minus : number > 0 ? plus : 0;
  }
  scope.gpu.queue.writeBuffer(buffer, 0, numbers);
  return buffer;
}

/** Compares some of the result's numbers, which are fp32 whatever is computed in. */
async function check(scope: GpuScope, result: GPUBuffer, side: number, precision: Precision): Promise<void> {
  const bytes = side * side * 4;
  const answer = await new ReadBack(scope).read(
    bytes,
    (encoder, staging) => encoder.copyBufferToBuffer(result, 0, staging, 0, bytes),
    (mapped) => new Float32Array(mapped).slice(0, side * side),
  );
  for (let i = 0; i < side * side; i += 1013) {
    const [row, column] = [Math.floor(i / side), i % side];
    let sum = 0;
    for (let k = 0; k < side; k++) sum += value(row, k, 7) * value(k, column, 3);
    if (answer[i] !== sum) throw new Error(`This adapter multiplies matrices wrongly in ${precision}.`);
  }
}

/** `result = a * b`, square matrices, row by row in vectors of four. */
function productSource(side: number, { rows, fours, workgroup: [wx, wy], shared }: Cut, T: Precision): string {
  const R = Array.from({ length: rows }, (_, r) => r);
  const C = Array.from({ length: fours }, (_, c) => c);
  const line = side / 4;
  /** Vectors of `a` in a row, and rows of `b`, that are staged at a time. */
  const STEP = 4;
  const [tileRows, tileFours] = [rows * wy, fours * wx];
  const stage = `
    workgroupBarrier();
    for (var i = local; i < ${tileRows * STEP}u; i += ${wx * wy}u) {
      tileA[i] = a[(group.y * ${tileRows}u + i / ${STEP}u) * ${line}u + k0 + i % ${STEP}u];
    }
    for (var i = local; i < ${4 * STEP * tileFours}u; i += ${wx * wy}u) {
      tileB[i] = b[(k0 * 4u + i / ${tileFours}u) * ${line}u + group.x * ${tileFours}u + i % ${tileFours}u];
    }
    workgroupBarrier();`;
  const readA = (r: number): string =>
    shared ? `tileA[(thread.y * ${rows}u + ${r}u) * ${STEP}u + k]` : `a[(row + ${r}u) * ${line}u + k0 + k]`;
  const readB = (kk: number, c: number): string =>
    shared
      ? `tileB[(k * 4u + ${kk}u) * ${tileFours}u + thread.x * ${fours}u + ${c}u]`
      : `b[((k0 + k) * 4u + ${kk}u) * ${line}u + column + ${c}u]`;
  const products = [0, 1, 2, 3].flatMap((kk) =>
    C.map((c) => `      { let m = ${readB(kk, c)}; ${R.map((r) => `s${r}_${c} += a${r}[${kk}] * m;`).join(' ')} }`),
  );
  return `${T === 'f16' ? 'enable f16;\n' : ''}
@group(0) @binding(0) var<storage, read> a: array<vec4<${T}>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<${T}>>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
${shared ? `var<workgroup> tileA: array<vec4<${T}>, ${tileRows * STEP}>;\nvar<workgroup> tileB: array<vec4<${T}>, ${4 * STEP * tileFours}>;` : ''}

@compute @workgroup_size(${wx}, ${wy})
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) thread: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = id.y * ${rows}u;
  let column = id.x * ${fours}u;
${R.flatMap((r) => C.map((c) => `  var s${r}_${c} = vec4<${T}>();`)).join('\n')}
  for (var k0 = 0u; k0 < ${line}u; k0 += ${STEP}u) {${shared ? stage : ''}
    for (var k = 0u; k < ${STEP}u; k++) {
${R.map((r) => `      let a${r} = ${readA(r)};`).join('\n')}
${products.join('\n')}
    }
  }
${R.flatMap((r) => C.map((c) => `  result[(row + ${r}u) * ${line}u + column + ${c}u] = vec4f(s${r}_${c});`)).join('\n')}
}
`;
}
