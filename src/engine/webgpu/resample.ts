import type { Tile, TilePlan } from '../engine.js';
import type { GpuScope } from './device.js';

/**
 * WGSL of a function that resamples a packed picture, named `frame`, at a pixel of the picture enlarged by `scale`:
 * Mitchell's cubic, edges repeated, around 0..1 (see `engine/mitchell.ts`).
 */
export const RESAMPLE = /* wgsl */ `
fn cubic(t: f32) -> vec4f {
  // Samples at -1, 0, 1 and 2 from one at t, 0 <= t < 1: near ones by the first piece, far ones by the second.
  let near = vec2f(t, 1.0 - t);
  let far = near + 1.0;
  let a = ((7.0 * near - 12.0) * near * near + 16.0 / 3.0) / 6.0;
  let b = (((-7.0 / 3.0 * far + 12.0) * far - 20.0) * far + 32.0 / 3.0) / 6.0;
  return vec4f(b.x, a.x, a.y, b.y);
}

fn resample(pixel: vec2u, scale: u32, size: vec2u) -> vec3f {
  let at = (vec2f(pixel) + 0.5) / f32(scale) - 0.5;
  let first = vec2i(floor(at)) - 1;
  let across = cubic(fract(at.x));
  let down = cubic(fract(at.y));
  let last = vec2i(size) - 1;
  let area = size.x * size.y;
  var rgb = vec3f();
  for (var j = 0; j < 4; j++) {
    let row = u32(clamp(first.y + j, 0, last.y)) * size.x;
    var line = vec3f();
    for (var i = 0; i < 4; i++) {
      let read = row + u32(clamp(first.x + i, 0, last.x));
      line += across[i] * vec3f(frame[read], frame[area + read], frame[2u * area + read]);
    }
    rgb += down[j] * line;
  }
  return rgb;
}
`;

/**
 * Resample: a tile's outer rectangle of the packed picture, enlarged, to where the tile's network output would be kept:
 * `[tiles, 3, side, side]`. One invocation per output pixel.
 */
const WGSL = /* wgsl */ `
struct Params { corner: vec2u, frameSize: vec2u, scale: u32, side: u32, tile: u32 }
@group(0) @binding(0) var<storage, read> frame: array<f32>;
@group(1) @binding(0) var<storage, read_write> outs: array<f32>;
@group(1) @binding(1) var<uniform> p: Params;
${RESAMPLE}

@compute @workgroup_size(16, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.side || id.y >= p.side) { return; }
  let rgb = resample(p.corner + id.xy, p.scale, p.frameSize);
  let area = p.side * p.side;
  let to = 3u * area * p.tile + id.y * p.side + id.x;
  outs[to] = rgb.r;
  outs[area + to] = rgb.g;
  outs[2u * area + to] = rgb.b;
}
`;

/** Makes what stands in for the network's outputs for tiles that are blended. */
export class TileResampler {
  readonly #frames: readonly GPUBindGroup[];
  readonly #tiles: readonly GPUBindGroup[];
  readonly #side: number;

  /**
   * @param frames packed pictures, by slot
   * @param outs `[tiles, 3, side, side]`
   */
  constructor(
    readonly scope: GpuScope,
    { picture, tileSize, tiles }: TilePlan,
    scale: number,
    frames: readonly GPUBuffer[],
    outs: GPUBuffer,
  ) {
    const { device } = scope.gpu;
    this.#side = tileSize.width * scale;
    this.#frames = frames.map((buffer) =>
      device.createBindGroup({
        layout: this.#pipeline().getBindGroupLayout(0),
        entries: [{ binding: 0, resource: { buffer } }],
      }),
    );
    this.#tiles = tiles.map(({ index, outer }) => {
      const corner = [outer.x * scale, outer.y * scale];
      const numbers = [...corner, picture.width, picture.height, scale, this.#side, index];
      const buffer = scope.constants('resample', new Uint32Array(numbers));
      return device.createBindGroup({
        layout: this.#pipeline().getBindGroupLayout(1),
        entries: [
          { binding: 0, resource: { buffer: outs } },
          { binding: 1, resource: { buffer } },
        ],
      });
    });
  }

  record(encoder: GPUCommandEncoder, slot: number, { index }: Tile): void {
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline());
    pass.setBindGroup(0, this.#frames[slot]);
    pass.setBindGroup(1, this.#tiles[index]);
    pass.dispatchWorkgroups(Math.ceil(this.#side / 16), Math.ceil(this.#side / 8));
    pass.end();
  }

  #pipeline(): GPUComputePipeline {
    return this.scope.gpu.pipeline('resample', WGSL);
  }
}
