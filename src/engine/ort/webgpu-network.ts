import type { LoadedModel, StreamShape, Tile } from '../engine.js';
import type { GpuDevice } from '../webgpu/device.js';
import type { TileGraph } from '../webgpu/graph.js';
import { GraphCache } from '../webgpu/graph-cache.js';
import type { GpuNetwork, NetworkLease, NetworkParts, NetworkSource } from '../webgpu/network.js';
import { gpuPicture, type StitchedPicture } from '../webgpu/picture.js';
import { GpuRing } from '../webgpu/ring.js';
import type { Marks } from '../webgpu/timer.js';
import type { OrtRuntime } from './runtime.js';

/** Networks that ONNX Runtime runs on our device and queue. */
export class OrtNetworks implements NetworkSource {
  readonly backend = 'webgpu';
  readonly #graphs: GraphCache;

  constructor(gpu: GpuDevice, runtime: OrtRuntime, capture: boolean) {
    this.#graphs = new GraphCache(gpu, runtime, capture);
  }

  async lease(
    model: LoadedModel,
    shape: StreamShape,
    { alwaysCut }: { readonly alwaysCut: boolean },
  ): Promise<NetworkLease> {
    const leases = [
      this.#graphs.lease(model, 'encode', shape.encode.tileSize),
      this.#graphs.lease(model, 'fuse', shape.fuse.tileSize),
    ] as const;
    const release = async (): Promise<void> => {
      await Promise.allSettled(leases.map((lease) => lease.release()));
    };
    try {
      const [encode, fuse] = await Promise.all([leases[0].graph, leases[1].graph]);
      const captured = encode.captured && fuse.captured;
      return { captured, make: (parts) => new OrtNetwork(parts, encode, fuse, alwaysCut), release };
    } catch (thrown) {
      await release();
      throw thrown;
    }
  }
}

/** Graphs between the ring and the output picture. */
class OrtNetwork implements GpuNetwork {
  readonly frames: readonly GPUBuffer[];
  readonly picture: StitchedPicture;
  readonly #ring: GpuRing;
  readonly #out: GPUBuffer;

  constructor(
    readonly parts: NetworkParts,
    readonly encodeGraph: TileGraph,
    readonly fuseGraph: TileGraph,
    alwaysCut: boolean,
  ) {
    const { scope, model, shape, output } = parts;
    const { scale, fuse } = model.manifest;
    this.#ring = new GpuRing(scope, { model, shape, encode: encodeGraph, fuse: fuseGraph, alwaysCut });
    this.#out = fuseGraph.output(fuse.output);
    this.frames = Array.from({ length: shape.slots }, (_, slot) => this.#ring.plane(slot, 'frame'));
    this.picture = gpuPicture(scope, { plan: shape.fuse, scale, size: output, frames: this.frames, out: this.#out });
  }

  async encode(slot: number, previous: number | undefined): Promise<void> {
    const { shape, timer, submit } = this.parts;
    for (const { index } of shape.encode.tiles) {
      await this.encodeGraph.runtime.exclusive(async () => {
        const fed = await submit('gather', (encoder) => this.#ring.feedEncode(encoder, index, slot, previous));
        await timer.wait('encode', () => this.encodeGraph.run());
        const kept = await submit('gather', (encoder) => this.#ring.keepEncoded(encoder, index, slot));
        timer.between('encode', fed, kept);
      });
    }
  }

  async repeat(slot: number, previous: number): Promise<void> {
    await this.parts.submit('gather', (encoder) => this.#ring.copyEncoded(encoder, slot, previous));
  }

  fuse(window: readonly number[], tile: Tile): Promise<void> {
    const { timer, submit } = this.parts;
    return this.#fuse(window, tile.index, async (fed) => {
      const stitched = await submit('stitch', (encoder) => this.picture.put(encoder, tile));
      timer.between('fuse', fed, stitched);
    });
  }

  answer<T>(window: readonly number[], read: (out: GPUBuffer) => Promise<T>): Promise<T> {
    return this.#fuse(window, 0, () => read(this.#out));
  }

  /** @param then what is done with the answer; it gets where the graph's own work begins */
  #fuse<T>(window: readonly number[], index: number, then: (fed: Marks) => Promise<T>): Promise<T> {
    const { timer, submit } = this.parts;
    return this.fuseGraph.runtime.exclusive(async () => {
      const fed = await submit('gather', (encoder) => this.#ring.feedFuse(encoder, index, window));
      await timer.wait('fuse', () => this.fuseGraph.run());
      return then(fed);
    });
  }
}
