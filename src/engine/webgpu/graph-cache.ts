import type { Size } from '../../frame/frame.js';
import type { PlaneSpec } from '../../model/manifest.js';
import type { LoadedModel } from '../engine.js';
import type { OrtRuntime } from '../ort/runtime.js';
import type { GpuDevice } from './device.js';
import { type PortShapes, TileGraph } from './graph.js';

/** A graph that is shared; the last one to release it frees it. */
export interface GraphLease {
  readonly graph: Promise<TileGraph>;
  release(): Promise<void>;
}

interface Entry {
  readonly graph: Promise<TileGraph>;
  users: number;
}

/** Graphs by model, part and tile size: streams of one tile size use the same session. */
export class GraphCache {
  readonly #entries = new Map<LoadedModel, Map<string, Entry>>();

  constructor(
    readonly gpu: GpuDevice,
    readonly runtime: OrtRuntime,
    readonly capture: boolean,
  ) {}

  lease(model: LoadedModel, part: 'encode' | 'fuse', size: Size): GraphLease {
    const entries = this.#entries.get(model) ?? new Map<string, Entry>();
    this.#entries.set(model, entries);
    const key = `${part} ${size.width}x${size.height}`;
    const entry = entries.get(key) ?? { graph: this.#create(model, part, size), users: 0 };
    entries.set(key, entry);
    entry.users++;
    let released: Promise<void> | undefined;
    return {
      graph: entry.graph,
      release: () => {
        released ??= this.#release(model, key, entry);
        return released;
      },
    };
  }

  async #release(model: LoadedModel, key: string, entry: Entry): Promise<void> {
    entry.users--;
    if (entry.users > 0) return;
    const entries = this.#entries.get(model);
    entries?.delete(key);
    if (entries?.size === 0) this.#entries.delete(model);
    const graph = await entry.graph.catch(() => undefined);
    await graph?.release();
  }

  #create(model: LoadedModel, part: 'encode' | 'fuse', size: Size): Promise<TileGraph> {
    const { planes, encode, fuse, scale } = model.manifest;
    const shapes = (names: readonly (readonly [name: string, plane: string])[]): PortShapes =>
      Object.fromEntries(
        names.map(([name, plane]) => {
          const { channels, stride } = planes[plane] as PlaneSpec;
          return [name, { channels, width: size.width / stride, height: size.height / stride }];
        }),
      );
    const common = { size, capture: this.capture };
    return part === 'encode'
      ? TileGraph.create(this.gpu, this.runtime, model, {
          ...common,
          file: encode.file,
          inputs: shapes(Object.entries(encode.inputs).map(([name, { plane }]) => [name, plane])),
          outputs: shapes(Object.entries(encode.outputs)),
        })
      : TileGraph.create(this.gpu, this.runtime, model, {
          ...common,
          file: fuse.file,
          inputs: shapes(Object.entries(fuse.inputs).map(([name, { plane }]) => [name, plane])),
          outputs: { [fuse.output]: { channels: 3, width: size.width * scale, height: size.height * scale } },
        });
  }
}
