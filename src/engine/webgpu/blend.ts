import type { Tile, TilePlan } from '../engine.js';
import type { GpuScope } from './device.js';

/**
 * Blend: outputs of overlapping tiles, `[tiles, 3, side, side]`, around 0..1, to 8-bit pixels of the output picture. Tiles
 * begin every `side - overlap` pixels; a weight falls in a straight line where a neighbour overlaps, so that weights add up to 1
 * (see `engine/blend.ts`). One invocation per output pixel that a tile has a share in.
 */
const WGSL = /* wgsl */ `
struct Params { corner: vec2u, size: vec2u, grid: vec2u, side: u32, overlap: u32 }
@group(0) @binding(0) var<storage, read> outs: array<f32>;
@group(0) @binding(1) var picture: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(2) var<uniform> p: Params;

fn weight(x: u32, count: u32, tile: u32) -> f32 {
  let at = f32(x - tile * (p.side - p.overlap)) + 0.5;
  let before = select(1.0, at / f32(p.overlap), tile > 0u);
  let after = select(1.0, (f32(p.side) - at) / f32(p.overlap), tile + 1u < count);
  return min(1.0, min(before, after));
}

fn first(x: u32) -> u32 {
  return select(0u, (x - p.side) / (p.side - p.overlap) + 1u, x >= p.side);
}

@compute @workgroup_size(16, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.size.x || id.y >= p.size.y) { return; }
  let pixel = p.corner + id.xy;
  let stride = p.side - p.overlap;
  let area = p.side * p.side;
  var rgb = vec3f();
  for (var row = first(pixel.y); row <= min(p.grid.y - 1u, pixel.y / stride); row++) {
    for (var column = first(pixel.x); column <= min(p.grid.x - 1u, pixel.x / stride); column++) {
      let at = 3u * area * (row * p.grid.x + column) + (pixel.y - row * stride) * p.side + pixel.x - column * stride;
      let share = weight(pixel.x, p.grid.x, column) * weight(pixel.y, p.grid.y, row);
      rgb += share * vec3f(outs[at], outs[area + at], outs[2u * area + at]);
    }
  }
  textureStore(picture, pixel, vec4f(saturate(rgb), 1.0));
}
`;

/** Blends tiles of one plan, from one network output, into one picture; keeps the newest output of every tile. */
export class Blender {
  /** `[tiles, 3, side, side]` */
  readonly outs: GPUBuffer;
  readonly #bytes: number;
  readonly #groups: readonly GPUBindGroup[];

  /** @param out the network's output buffer, `[3, side, side]` */
  constructor(
    readonly scope: GpuScope,
    readonly plan: TilePlan,
    readonly scale: number,
    readonly out: GPUBuffer,
    readonly picture: GPUTexture,
  ) {
    const { tiles, tileSize, overlap } = plan;
    const side = tileSize.width * scale;
    this.#bytes = 3 * side * side * 4;
    this.outs = scope.buffer('tile outputs', this.#bytes * tiles.length);
    const columns = tiles.filter(({ outer }) => outer.y === 0).length;
    const view = picture.createView();
    this.#groups = tiles.map((tile) => {
      const { x, y, width, height } = this.#region(tile);
      const lengths = [x, y, width, height, columns, tiles.length / columns, side, overlap * scale];
      const buffer = scope.constants('blend', new Uint32Array(lengths));
      return scope.gpu.device.createBindGroup({
        layout: this.#pipeline().getBindGroupLayout(0),
        entries: [
          { binding: 0, resource: { buffer: this.outs } },
          { binding: 1, resource: view },
          { binding: 2, resource: { buffer } },
        ],
      });
    });
  }

  /** Keeps the network's output for a tile. */
  take(encoder: GPUCommandEncoder, index: number): void {
    encoder.copyBufferToBuffer(this.out, 0, this.outs, index * this.#bytes, this.#bytes);
  }

  /** Makes all pixels that a tile has a share in of what is kept. */
  record(encoder: GPUCommandEncoder, index: number): void {
    const tile = this.plan.tiles[index] as Tile;
    const { width, height } = this.#region(tile);
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline());
    pass.setBindGroup(0, this.#groups[index]);
    pass.dispatchWorkgroups(Math.ceil(width / 16), Math.ceil(height / 8));
    pass.end();
  }

  /** A tile in output pixels, cropped to the picture. */
  #region({ outer }: Tile): { x: number; y: number; width: number; height: number } {
    const [x, y] = [outer.x * this.scale, outer.y * this.scale];
    const width = Math.max(0, Math.min(outer.width * this.scale, this.picture.width - x));
    const height = Math.max(0, Math.min(outer.height * this.scale, this.picture.height - y));
    return { x, y, width, height };
  }

  #pipeline(): GPUComputePipeline {
    return this.scope.gpu.pipeline('blend', WGSL);
  }
}
