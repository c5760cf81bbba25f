import { FEATHER, type Tile, type TilePlan } from '../engine.js';
import { coreInPicture } from '../enlarge.js';
import type { GpuScope } from './device.js';
import { RESAMPLE } from './resample.js';

/**
 * Enlarge: finishes a picture of which the network has not made all tiles. Pixels of a listed tile's core are resampled
 * from the packed picture, those of other tiles are the network's, and between them, inside the other tiles, they fade
 * (see `engine/enlarge.ts`). It reads one picture and writes another, because the network's pixels are needed again,
 * without the fade, and because an `rgba8unorm` picture cannot be read where it is written. One invocation per output
 * pixel.
 *
 * The grid: where columns of cores begin and the last one ends, the same for rows, then a flag for each tile.
 */
const WGSL = /* wgsl */ `
struct Params { size: vec2u, frameSize: vec2u, grid: vec2u, scale: u32, feather: f32 }
@group(0) @binding(0) var<storage, read> frame: array<f32>;
@group(1) @binding(0) var<storage, read> grid: array<u32>;
@group(1) @binding(1) var network: texture_2d<f32>;
@group(1) @binding(2) var finished: texture_storage_2d<rgba8unorm, write>;
@group(1) @binding(3) var<uniform> p: Params;
${RESAMPLE}

fn place(x: u32, first: u32, count: u32) -> u32 {
  var i = 0u;
  while (i + 1u < count && x >= grid[first + i + 1u]) { i++; }
  return i;
}

fn distanceTo(tile: vec2u, pixel: vec2u) -> f32 {
  let rows = p.grid.x + 1u;
  let low = vec2f(f32(grid[tile.x]), f32(grid[rows + tile.y]));
  let high = vec2f(f32(grid[tile.x + 1u]), f32(grid[rows + tile.y + 1u]));
  let at = vec2f(pixel) + 0.5;
  return length(max(max(low - at, at - high), vec2f()));
}

@compute @workgroup_size(16, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.size.x || id.y >= p.size.y) { return; }
  let flags = p.grid.x + p.grid.y + 2u;
  let own = vec2u(place(id.x, 0u, p.grid.x), place(id.y, p.grid.x + 1u, p.grid.y));
  // A core is longer than the feather, so that only neighbours can be near.
  var nearest = p.feather;
  for (var row = max(own.y, 1u) - 1u; row < min(own.y + 2u, p.grid.y); row++) {
    for (var column = max(own.x, 1u) - 1u; column < min(own.x + 2u, p.grid.x); column++) {
      if (grid[flags + row * p.grid.x + column] == 0u) { continue; }
      nearest = min(nearest, distanceTo(vec2u(column, row), id.xy));
    }
  }
  var rgb = textureLoad(network, id.xy, 0).rgb;
  if (nearest < p.feather) {
    rgb = mix(saturate(resample(id.xy, p.scale, p.frameSize)), rgb, nearest / p.feather);
  }
  textureStore(finished, id.xy, vec4f(rgb, 1.0));
}
`;

/** Finishes pictures of tiles whose cores lie side by side, on a grid, row by row. */
export class Enlarger {
  readonly #grid: GPUBuffer;
  readonly #flags: Uint32Array<ArrayBuffer>;
  readonly #flagsAt: number;
  readonly #frames: readonly GPUBindGroup[];
  readonly #group: GPUBindGroup;

  /**
   * @param frames packed pictures, by slot
   * @param network the picture that is finished; it must allow `TEXTURE_BINDING`
   * @param finished what is written, of the same size
   */
  constructor(
    readonly scope: GpuScope,
    plan: TilePlan,
    scale: number,
    frames: readonly GPUBuffer[],
    network: GPUTexture,
    readonly finished: GPUTexture,
  ) {
    const { device, queue } = scope.gpu;
    const { width, height } = finished;
    const cores = plan.tiles.map((tile) => coreInPicture(tile, scale, finished));
    const columns = cores.filter(({ y }) => y === 0).map(({ x }) => x);
    const rows = cores.filter(({ x }) => x === 0).map(({ y }) => y);
    const edges = new Uint32Array([...columns, width, ...rows, height]);
    this.#flags = new Uint32Array(cores.length);
    this.#flagsAt = edges.byteLength;
    this.#grid = scope.buffer('tile grid', edges.byteLength + this.#flags.byteLength);
    queue.writeBuffer(this.#grid, 0, edges);
    const { picture } = plan;
    const numbers = [width, height, picture.width, picture.height, columns.length, rows.length, scale];
    const params = new Uint32Array(8);
    params.set(numbers);
    new Float32Array(params.buffer)[7] = FEATHER;
    const layout = this.#pipeline().getBindGroupLayout(0);
    this.#frames = frames.map((buffer) =>
      device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] }),
    );
    this.#group = device.createBindGroup({
      layout: this.#pipeline().getBindGroupLayout(1),
      entries: [
        { binding: 0, resource: { buffer: this.#grid } },
        { binding: 1, resource: network.createView() },
        { binding: 2, resource: finished.createView() },
        { binding: 3, resource: { buffer: scope.constants('enlarge', params) } },
      ],
    });
  }

  /** @param slot of the packed picture; `tiles` that are resampled. To be submitted before the next call. */
  record(encoder: GPUCommandEncoder, slot: number, tiles: readonly Tile[]): void {
    this.#flags.fill(0);
    for (const { index } of tiles) this.#flags[index] = 1;
    this.scope.gpu.queue.writeBuffer(this.#grid, this.#flagsAt, this.#flags);
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline());
    pass.setBindGroup(0, this.#frames[slot]);
    pass.setBindGroup(1, this.#group);
    pass.dispatchWorkgroups(Math.ceil(this.finished.width / 16), Math.ceil(this.finished.height / 8));
    pass.end();
  }

  #pipeline(): GPUComputePipeline {
    return this.scope.gpu.pipeline('enlarge', WGSL);
  }
}
