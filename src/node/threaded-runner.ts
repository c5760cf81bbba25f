import type { LoadedModel } from '../engine/engine.js';
import type { GraphName, GraphRunner, OrtBackend, Ports } from '../engine/ort/graph-runner.js';
import { UpscaleError } from '../frame/errors.js';
import type { Size } from '../frame/frame.js';
import type { WorkerLike } from '../live/scope.js';
import { startThread } from './threads.js';

/** To a thread that runs graphs. */
export type ToGraphs =
  | { readonly type: 'start'; readonly backend: OrtBackend }
  | { readonly type: 'load'; readonly call: number; readonly id: number; readonly model: LoadedModel }
  | {
      readonly type: 'run';
      readonly call: number;
      readonly id: number;
      readonly graph: GraphName;
      readonly inputs: Ports;
      readonly size: Size;
    };

/** Its answers, one to each call. */
export type FromGraphs =
  | { readonly type: 'done'; readonly call: number; readonly outputs: Ports | null; readonly description: string }
  | { readonly type: 'failed'; readonly call: number; readonly reason: string };

interface Call {
  resolve(answer: Extract<FromGraphs, { type: 'done' }>): void;
  reject(error: UpscaleError): void;
}

/** One of the threads, and what it has been asked. */
class GraphThread {
  readonly #worker: WorkerLike;
  readonly #calls = new Map<number, Call>();
  #next = 0;
  #failed: UpscaleError | undefined;

  constructor(backend: OrtBackend) {
    this.#worker = startThread(new URL('./graph.thread.js', import.meta.url), 'mana-graph');
    this.#worker.addEventListener('message', ({ data }: MessageEvent<FromGraphs>) => {
      const call = this.#calls.get(data.call);
      this.#calls.delete(data.call);
      if (data.type === 'done') call?.resolve(data);
      else call?.reject(new UpscaleError('engine-failed', data.reason));
    });
    this.#worker.addEventListener('error', ({ message }: ErrorEvent) => {
      this.#failed = new UpscaleError('engine-failed', `A thread that runs graphs failed: ${message}.`);
      for (const { reject } of this.#calls.values()) reject(this.#failed);
      this.#calls.clear();
    });
    this.#worker.postMessage({ type: 'start', backend } satisfies ToGraphs);
  }

  /** Calls that have not been answered. */
  get busy(): number {
    return this.#calls.size;
  }

  ask(message: (call: number) => ToGraphs): Promise<Extract<FromGraphs, { type: 'done' }>> {
    return new Promise((resolve, reject) => {
      if (this.#failed) {
        reject(this.#failed);
        return;
      }
      const call = this.#next++;
      this.#calls.set(call, { resolve, reject });
      this.#worker.postMessage(message(call));
    });
  }

  end(): void {
    this.#worker.terminate();
  }
}

/** Graphs in several threads: tiles of a frame are computed beside each other. */
export class ThreadedRunner implements GraphRunner {
  readonly lanes: number;
  description: string;
  readonly #models = new Map<LoadedModel, { readonly id: number; readonly ready: Promise<void> }>();

  private constructor(
    readonly backend: OrtBackend,
    readonly threads: readonly GraphThread[],
  ) {
    this.lanes = threads.length;
    this.description = `${backend === 'wasm' ? 'CPU' : 'CPU, native'}, ${threads.length} threads`;
  }

  static async start(backend: OrtBackend, threads: number): Promise<ThreadedRunner> {
    return new ThreadedRunner(
      backend,
      Array.from({ length: threads }, () => new GraphThread(backend)),
    );
  }

  async load(model: LoadedModel): Promise<void> {
    let entry = this.#models.get(model);
    if (!entry) {
      const id = this.#models.size;
      const loading = this.threads.map((thread) => thread.ask((call) => ({ type: 'load', call, id, model })));
      entry = { id, ready: Promise.all(loading).then(() => undefined) };
      this.#models.set(model, entry);
    }
    await entry.ready;
  }

  async run(model: LoadedModel, graph: GraphName, inputs: Ports, size: Size): Promise<Ports> {
    const id = this.#models.get(model)?.id;
    const [first] = this.threads;
    if (id === undefined || !first) throw new UpscaleError('engine-failed', 'The model has not been loaded.');
    const thread = this.threads.reduce((idlest, other) => (other.busy < idlest.busy ? other : idlest), first);
    // What is posted is copied at once, so the caller may use its buffers again.
    const { outputs } = await thread.ask((call) => ({ type: 'run', call, id, graph, inputs, size }));
    return outputs ?? {};
  }

  dispose(): void {
    for (const thread of this.threads) thread.end();
  }
}
