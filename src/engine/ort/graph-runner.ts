import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { PlaneSpec } from '../../model/manifest.js';
import type { Backend, LoadedModel } from '../engine.js';
import { planeSize } from '../planes.js';
import type { OrtRuntime } from './runtime.js';

/** Where ONNX Runtime runs networks. */
export type OrtBackend = Exclude<Backend, 'webgpu-native'>;

/** A graph's inputs or outputs by their names, `[channels, height / stride, width / stride]` each. */
export type Ports = Record<string, Float32Array>;

/** One of a model's two graphs. */
export type GraphName = 'encode' | 'fuse';

/** Runs models' graphs on tensors in main memory. */
export interface GraphRunner {
  readonly backend: OrtBackend;
  /** What a person reads in statistics. */
  readonly description: string;
  /** Graphs that it runs at once. With more than one, inputs are read before {@link run} returns. */
  readonly lanes: number;
  /** Makes a model ready. Its dimensions stay free, so any tile size runs. */
  load(model: LoadedModel): Promise<void>;
  /**
   * Runs a graph of a model that is ready.
   * @param size of the tile, in low-resolution pixels
   * @returns its outputs; their memory is the caller's
   */
  run(model: LoadedModel, graph: GraphName, inputs: Ports, size: Size): Promise<Ports>;
  dispose(): void;
}

/** Graphs in this thread's ONNX Runtime. */
export class OrtRunner implements GraphRunner {
  readonly lanes = 1;
  readonly description: string;
  readonly #sessions = new Map<LoadedModel, Promise<Record<GraphName, InferenceSession>>>();

  /** @param backend the name of ONNX Runtime's execution provider */
  constructor(
    readonly runtime: OrtRuntime,
    readonly backend: OrtBackend = 'wasm',
  ) {
    const { threads } = runtime;
    this.description = `${NAMES[backend]}, ${threads} thread${threads === 1 ? '' : 's'}`;
  }

  async load(model: LoadedModel): Promise<void> {
    await this.#sessionsOf(model);
  }

  async run(model: LoadedModel, graph: GraphName, inputs: Ports, size: Size): Promise<Ports> {
    const session = (await this.#sessionsOf(model))[graph];
    const specs = model.manifest[graph].inputs;
    const feeds: Record<string, Tensor> = {};
    for (const [name, { plane }] of Object.entries(specs)) {
      const { channels, stride } = planeSpec(model, plane);
      const { width, height } = planeSize(size, stride);
      feeds[name] = new this.runtime.ort.Tensor('float32', inputs[name] as Float32Array, [1, channels, height, width]);
    }
    const results = await this.runtime.exclusive(() => session.run(feeds));
    return Object.fromEntries(outputsOf(model, graph).map((name) => [name, dataOf(results[name], name)]));
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

  #sessionsOf(model: LoadedModel): Promise<Record<GraphName, InferenceSession>> {
    let sessions = this.#sessions.get(model);
    if (!sessions) {
      sessions = this.#createSessions(model);
      sessions.catch(() => this.#sessions.delete(model));
      this.#sessions.set(model, sessions);
    }
    return sessions;
  }

  async #createSessions({ manifest, files }: LoadedModel): Promise<Record<GraphName, InferenceSession>> {
    const create = (file: string): Promise<InferenceSession> =>
      this.runtime.exclusive(async () => {
        const bytes = files.get(file);
        if (!bytes) throw new UpscaleError('model-invalid', `The file ${file} of ${manifest.name} is missing.`);
        return this.runtime.ort.InferenceSession.create(bytes, {
          executionProviders: [this.backend],
          graphOptimizationLevel: 'all',
          ...(this.backend === 'wasm' ? {} : { intraOpNumThreads: this.runtime.threads }),
        });
      });
    return { encode: await create(manifest.encode.file), fuse: await create(manifest.fuse.file) };
  }
}

const NAMES: Readonly<Record<OrtBackend, string>> = {
  wasm: 'CPU',
  cpu: 'CPU, native',
  cuda: 'CUDA',
  webgpu: 'WebGPU, native',
};

/** What the manifest says of a plane. */
export function planeSpec({ manifest }: LoadedModel, name: string): PlaneSpec {
  const spec = manifest.planes[name];
  if (!spec) throw new UpscaleError('model-invalid', `The model ${manifest.name} has no plane ${name}.`);
  return spec;
}

/** Gives memory back now, where the platform can: the garbage collector would come a hundred megabytes later. */
export function free(data: Float32Array | undefined): void {
  const buffer = data?.buffer as (ArrayBuffer & { transfer?(length: number): ArrayBuffer }) | undefined;
  buffer?.transfer?.(0);
}

function outputsOf({ manifest }: LoadedModel, graph: GraphName): string[] {
  return graph === 'encode' ? Object.keys(manifest.encode.outputs) : [manifest.fuse.output];
}

function dataOf(result: Tensor | undefined, name: string): Float32Array {
  if (!(result?.data instanceof Float32Array)) {
    throw new UpscaleError('model-invalid', `The graph does not answer with an fp32 tensor named ${name}.`);
  }
  return result.data;
}
