import type { InferenceSession } from 'onnxruntime-web';
import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { GraphCost } from '../../model/manifest.js';
import { type Engine, type EngineStream, type LoadedModel, type StreamShape, type Tile, wholePlan } from '../engine.js';
import type { Sessions } from './cpu-graphs.js';
import { type FrameMemory, OrtCpuStream } from './cpu-stream.js';
import type { OrtRuntime } from './runtime.js';

/** Memory one tile's intermediate tensors may take. A WebAssembly heap never shrinks, so this is a page's peak. */
const TILE_BYTES = 128 * 2 ** 20;

/** ONNX Runtime on the processor: WebAssembly in the browser and in Node. Tensors live in main memory. */
export class OrtCpuEngine<In, Out> implements Engine<In, Out> {
  readonly backend = 'wasm';
  readonly half = false;
  readonly description: string;
  readonly #sessions = new Map<LoadedModel, Promise<Sessions>>();

  /** @param openMemory called for each stream: what it gives may keep buffers between calls */
  constructor(
    readonly runtime: OrtRuntime,
    readonly openMemory: () => FrameMemory<In, Out>,
  ) {
    this.description = `CPU, ${runtime.threads} thread${runtime.threads === 1 ? '' : 's'}`;
  }

  maxTilePixels(cost: GraphCost): number {
    return TILE_BYTES / cost.peakBytesPerPixel;
  }

  async open(model: LoadedModel, shape: StreamShape): Promise<EngineStream<In, Out>> {
    return new OrtCpuStream(this.runtime, this.openMemory(), model, await this.#sessionsOf(model), shape);
  }

  async runTile(model: LoadedModel, frames: Float32Array, size: Size): Promise<Float32Array> {
    const { window } = model.manifest;
    const plan = wholePlan(size);
    const shape = { size, encode: plan, fuse: plan, slots: window };
    const stream = new OrtCpuStream(this.runtime, this.openMemory(), model, await this.#sessionsOf(model), shape);
    const length = frames.length / window;
    const slots = Array.from({ length: window }, (_, slot) => slot);
    for (const slot of slots) {
      stream.load(slot, frames.subarray(slot * length, (slot + 1) * length));
      await stream.encode(slot, slots[slot - 1]);
    }
    return stream.answer(slots, plan.tiles[0] as Tile);
  }

  dispose(): void {
    for (const opening of this.#sessions.values()) {
      opening.then(
        ({ encode, fuse }) => this.runtime.exclusive(() => Promise.all([encode.release(), fuse.release()])),
        () => undefined,
      );
    }
    this.#sessions.clear();
  }

  /** The sessions of a model, made once: their dimensions stay free, so any tile size runs in them. */
  #sessionsOf(model: LoadedModel): Promise<Sessions> {
    let sessions = this.#sessions.get(model);
    if (!sessions) {
      sessions = this.#createSessions(model);
      sessions.catch(() => this.#sessions.delete(model));
      this.#sessions.set(model, sessions);
    }
    return sessions;
  }

  async #createSessions({ manifest, files }: LoadedModel): Promise<Sessions> {
    const create = (file: string): Promise<InferenceSession> =>
      this.runtime.exclusive(async () => {
        const bytes = files.get(file);
        if (!bytes) throw new UpscaleError('model-invalid', `The file ${file} of ${manifest.name} is missing.`);
        return this.runtime.ort.InferenceSession.create(bytes, {
          executionProviders: ['wasm'],
          graphOptimizationLevel: 'all',
        });
      });
    return { encode: await create(manifest.encode.file), fuse: await create(manifest.fuse.file) };
  }
}
