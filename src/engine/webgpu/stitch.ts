import type { Size } from '../../frame/frame.js';
import type { Tile } from '../engine.js';
import type { GpuScope } from './device.js';

/**
 * Stitch: a tile's network output `[3, outer height x scale, outer width x scale]`, around 0..1, to 8-bit pixels of the
 * output picture. Only the core is written, cropped to the picture. One invocation per output pixel.
 */
const WGSL = /* wgsl */ `
struct Params { size: vec2u, outSize: vec2u, read: vec2u, write: vec2u }
@group(0) @binding(0) var<storage, read> out: array<f32>;
@group(0) @binding(1) var picture: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(16, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.size.x || id.y >= p.size.y) { return; }
  let area = p.outSize.x * p.outSize.y;
  let at = (p.read.y + id.y) * p.outSize.x + p.read.x + id.x;
  let rgb = vec3f(out[at], out[area + at], out[2u * area + at]);
  textureStore(picture, p.write + id.xy, vec4f(saturate(rgb), 1.0));
}
`;

/** Writes tiles of one plan from one network output into one picture. */
export class Stitcher {
  readonly #groups: readonly GPUBindGroup[];
  readonly #sizes: readonly Size[];

  /** @param out the network's output buffer, for tiles that all have the same outer size */
  constructor(
    readonly scope: GpuScope,
    tiles: readonly Tile[],
    scale: number,
    out: GPUBuffer,
    picture: GPUTexture,
  ) {
    const pipeline = this.#pipeline();
    const view = picture.createView();
    this.#sizes = tiles.map(({ core }) => ({
      width: Math.max(0, Math.min(core.width * scale, picture.width - core.x * scale)),
      height: Math.max(0, Math.min(core.height * scale, picture.height - core.y * scale)),
    }));
    const params = tiles.map(({ outer, core, index }) => {
      const { width, height } = this.#sizes[index] as Size;
      const lengths = [outer.width, outer.height, core.x - outer.x, core.y - outer.y, core.x, core.y];
      return scope.constants('stitch', new Uint32Array([width, height, ...lengths.map((length) => length * scale)]));
    });
    this.#groups = params.map((buffer) =>
      scope.gpu.device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [
          { binding: 0, resource: { buffer: out } },
          { binding: 1, resource: view },
          { binding: 2, resource: { buffer } },
        ],
      }),
    );
  }

  /** @param index of a tile of the plan */
  record(encoder: GPUCommandEncoder, index: number): void {
    const { width, height } = this.#sizes[index] as Size;
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline());
    pass.setBindGroup(0, this.#groups[index]);
    pass.dispatchWorkgroups(Math.ceil(width / 16), Math.ceil(height / 8));
    pass.end();
  }

  #pipeline(): GPUComputePipeline {
    return this.scope.gpu.pipeline('stitch', WGSL);
  }
}
