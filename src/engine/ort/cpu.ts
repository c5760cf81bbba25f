import type { Size } from '../../frame/frame.js';
import type { GraphCost } from '../../model/manifest.js';
import {
  type Backend,
  type Engine,
  type EngineStream,
  type LoadedModel,
  type StreamShape,
  type Tile,
  wholePlan,
} from '../engine.js';
import { type FrameMemory, OrtCpuStream } from './cpu-stream.js';
import type { GraphRunner } from './graph-runner.js';

/** Memory one tile's intermediate tensors may take. A WebAssembly heap never shrinks, so this is a page's peak. */
const TILE_BYTES = 128 * 2 ** 20;

/** ONNX Runtime on tensors in main memory: WebAssembly in the browser and in Node, native code in Node. */
export class OrtCpuEngine<In, Out> implements Engine<In, Out> {
  readonly backend: Backend;
  readonly half = false;
  readonly lanes: number;
  readonly description: string;

  /** @param openMemory called for each stream: what it gives may keep buffers between calls */
  constructor(
    readonly runner: GraphRunner,
    readonly openMemory: () => FrameMemory<In, Out>,
  ) {
    this.backend = runner.backend;
    this.lanes = runner.lanes;
    this.description = runner.description;
  }

  maxTilePixels(cost: GraphCost): number {
    return TILE_BYTES / cost.peakBytesPerPixel;
  }

  async open(model: LoadedModel, shape: StreamShape): Promise<EngineStream<In, Out>> {
    return this.#open(model, shape);
  }

  async runTile(model: LoadedModel, frames: Float32Array, size: Size): Promise<Float32Array> {
    const { window } = model.manifest;
    const plan = wholePlan(size);
    const stream = await this.#open(model, { size, encode: plan, fuse: plan, slots: window });
    const length = frames.length / window;
    const slots = Array.from({ length: window }, (_, slot) => slot);
    for (const slot of slots) {
      stream.load(slot, frames.subarray(slot * length, (slot + 1) * length));
      await stream.encode(slot, slots[slot - 1]);
    }
    return stream.answer(slots, plan.tiles[0] as Tile);
  }

  dispose(): void {
    this.runner.dispose();
  }

  async #open(model: LoadedModel, shape: StreamShape): Promise<OrtCpuStream<In, Out>> {
    await this.runner.load(model);
    return new OrtCpuStream(this.runner, this.openMemory(), model, shape);
  }
}
