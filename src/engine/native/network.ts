import type { Rect, Tile } from '../engine.js';
import type { GpuNetwork, NetworkParts } from '../webgpu/network.js';
import { DirectPicture } from '../webgpu/picture.js';
import { Attention } from './attention.js';
import type { AttentionWeights } from './attention-weights.js';
import type { Resource } from './bind.js';
import type { Precision } from './conv.js';
import type { Kernel, Layers } from './layers.js';
import type { LiveSettings } from './settings.js';

/** Tiles of a plan, as kernels work on them: all but the last on the whole tile, the last on its core. */
interface Place {
  readonly outer: Rect;
  readonly core: Rect;
  readonly outerParams: GPUBuffer;
  readonly coreParams: GPUBuffer;
}

/**
 * A mana-live network by our own kernels. Planes are whole pictures, pixel by pixel, channels in fours; they are written and
 * read in place, tiles are rectangles of them. A kernel that works on a tile reads beyond its edge what another tile, or
 * another frame, has left there: it reaches no pixel of the core, that is what a tile's halo is for.
 *
 * All is made when the stream is opened but bind groups, which are made once for each set of slots.
 */
export class NativeNetwork implements GpuNetwork {
  readonly frames: readonly GPUBuffer[];
  readonly picture: DirectPicture;
  readonly #feats: readonly GPUBuffer[];
  readonly #nears: readonly GPUBuffer[];
  readonly #attention: Attention | undefined;
  /** Features of no frame, before the first. */
  readonly #nothing: GPUBuffer | undefined;
  readonly #planes: readonly [GPUBuffer, GPUBuffer, GPUBuffer];
  readonly #encodePlaces: readonly Place[];
  readonly #fusePlaces: readonly Place[];
  readonly #groups = new Map<Kernel, Map<string, GPUBindGroup>>();
  readonly #ids = new Map<Resource, number>();
  #out: GPUBuffer | undefined;

  constructor(
    readonly parts: NetworkParts,
    readonly settings: LiveSettings,
    readonly kernels: Layers<Kernel>,
    attention: AttentionWeights | undefined,
    precision: Precision,
  ) {
    const { scope, shape, output } = parts;
    const { picture } = shape.encode;
    const pixels = picture.width * picture.height;
    const bytes = precision === 'f16' ? 2 : 4;
    const plane = (label: string, channels: number): GPUBuffer => scope.buffer(label, pixels * channels * bytes);
    const ring = (label: string, channels: number): GPUBuffer[] =>
      Array.from({ length: shape.slots }, (_, slot) => plane(`slot ${slot} ${label}`, channels));
    const { channels, near, recurrent, scale } = settings;
    this.frames = Array.from({ length: shape.slots }, (_, slot) => scope.buffer(`slot ${slot} frame`, pixels * 3 * 4));
    this.#feats = ring('feat', channels);
    this.#nears = near > 0 ? ring('near', near) : [];
    this.#attention =
      settings.attention &&
      attention &&
      new Attention(scope, settings.attention, attention, picture, shape.slots, precision);
    this.#nothing = recurrent ? plane('no features', channels) : undefined;
    this.#planes = [plane('x', channels), plane('y', channels), plane('z', channels)];
    this.picture = new DirectPicture(scope, { plan: shape.fuse, scale, size: output, frames: this.frames });
    this.#encodePlaces = shape.encode.tiles.map((tile) => this.#place(tile));
    this.#fusePlaces = shape.fuse.tiles.map((tile) => this.#place(tile));
  }

  async encode(slot: number, previous: number | undefined): Promise<void> {
    await this.parts.submit('encode', (encoder) => {
      const pass = encoder.beginComputePass();
      for (const place of this.#encodePlaces) this.#encode(pass, place, slot, previous);
      pass.end();
    });
  }

  async repeat(slot: number, previous: number): Promise<void> {
    await this.parts.submit('gather', (encoder) => {
      for (const ring of [this.#feats, this.#nears]) {
        const [from, to] = [ring[previous], ring[slot]];
        if (from && to) encoder.copyBufferToBuffer(from, 0, to, 0, from.size);
      }
      this.#attention?.copy(encoder, previous, slot);
    });
  }

  async fuse(window: readonly number[], { index }: Tile): Promise<void> {
    await this.parts.submit('fuse', (encoder) => this.#fuse(encoder, window, index, 'up', this.picture.network));
  }

  async answer<T>(window: readonly number[], read: (out: GPUBuffer) => Promise<T>): Promise<T> {
    const { scope, output } = this.parts;
    this.#out ??= scope.buffer('answer', output.width * output.height * 3 * 4);
    const out = this.#out;
    await this.parts.submit('fuse', (encoder) => this.#fuse(encoder, window, 0, 'answer', out));
    return read(out);
  }

  #encode(pass: GPUComputePassEncoder, place: Place, slot: number, previous: number | undefined): void {
    const { first, encode } = this.kernels;
    const frame = at(this.frames, slot);
    const past = previous === undefined ? this.#nothing : at(this.#feats, previous);
    let [x, y, z] = this.#planes;
    this.#run(pass, first, place, [frame, ...(this.settings.recurrent && past ? [past] : []), x]);
    encode.forEach(([a, b], i) => {
      if (!a || !b) return;
      this.#run(pass, a, place, [x, y]);
      if (i < encode.length - 1) {
        this.#run(pass, b, place, [y, x, z]);
        [x, z] = [z, x];
        return;
      }
      const made = [at(this.#feats, slot), ...(this.settings.near > 0 ? [at(this.#nears, slot)] : [])];
      this.#run(pass, b, place, [y, x, ...made], 'core');
    });
    this.#attention?.recordEncode(pass, at(this.#feats, slot), slot, place.core);
  }

  #fuse(
    encoder: GPUCommandEncoder,
    window: readonly number[],
    index: number,
    last: 'up' | 'answer',
    target: Resource,
  ): void {
    const { neighbours, decode } = this.kernels;
    const place = at(this.#fusePlaces, index);
    const centre = at(window, window.length >> 1);
    const feat = at(this.#feats, centre);
    let [x, y, z] = this.#planes;
    const pass = encoder.beginComputePass();
    let input = feat;
    if (neighbours) {
      const nears = this.settings.nearFrames.map((frame) => at(this.#nears, at(window, frame)));
      this.#run(pass, neighbours, place, [...nears, feat, x]);
      input = x;
    }
    if (this.#attention) {
      this.#attention.record(pass, feat, window, z, place.outer, input);
      input = z;
      [x, z] = [z, x];
    }
    for (const [a, b] of decode) {
      if (a && b) {
        this.#run(pass, a, place, [input, y]);
        this.#run(pass, b, place, [y, input, z]);
      } else if (a) this.#run(pass, a, place, [input, z]);
      input = z;
      [x, z] = [z, x];
    }
    this.#run(pass, this.kernels[last], place, [input, at(this.frames, centre), target], 'core');
    pass.end();
  }

  #run(
    pass: GPUComputePassEncoder,
    kernel: Kernel,
    place: Place,
    resources: readonly Resource[],
    part: 'outer' | 'core' = 'outer',
  ): void {
    const params = part === 'outer' ? place.outerParams : place.coreParams;
    const at = this.#group(kernel, [params], () => kernel.place(params));
    const planes = this.#group(kernel, resources, () => kernel.bind(resources));
    kernel.record(pass, at, planes, place[part]);
  }

  #group(kernel: Kernel, resources: readonly Resource[], make: () => GPUBindGroup): GPUBindGroup {
    const groups = this.#groups.get(kernel) ?? new Map<string, GPUBindGroup>();
    this.#groups.set(kernel, groups);
    const key = resources.map((resource) => this.#id(resource)).join();
    const group = groups.get(key) ?? make();
    groups.set(key, group);
    return group;
  }

  #id(resource: Resource): number {
    const id = this.#ids.get(resource) ?? this.#ids.size;
    this.#ids.set(resource, id);
    return id;
  }

  #place({ outer, core }: Tile): Place {
    const { scope, shape, output } = this.parts;
    const { width, height } = shape.encode.picture;
    const params = (rect: Rect): GPUBuffer =>
      scope.constants(
        'rectangle',
        Uint32Array.of(rect.x, rect.y, rect.width, rect.height, width, height, output.width, output.height),
      );
    return { outer, core, outerParams: params(outer), coreParams: params(core) };
  }
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`There is no slot or tile ${index}.`);
  return item;
}
