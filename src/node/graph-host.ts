import type { LoadedModel } from '../engine/engine.js';
import { OrtRunner } from '../engine/ort/graph-runner.js';
import { reasonOf } from '../frame/errors.js';
import type { MessageScope } from '../live/scope.js';
import { nodeRuntime } from './node-runtime.js';
import type { FromGraphs, ToGraphs } from './threaded-runner.js';

/** Runs a thread that computes graphs for an engine in another one. */
export function hostGraphs(scope: MessageScope): void {
  const models = new Map<number, LoadedModel>();
  let runner: Promise<OrtRunner> | undefined;
  const post = (message: FromGraphs, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);

  const answer = async (message: Exclude<ToGraphs, { type: 'start' }>): Promise<void> => {
    const started = await runner;
    if (!started) throw new Error('The thread has not been started.');
    const { call, id } = message;
    if (message.type === 'load') {
      models.set(id, message.model);
      await started.load(message.model);
      post({ type: 'done', call, outputs: null, description: started.description });
      return;
    }
    const model = models.get(id);
    if (!model) throw new Error('The model has not been loaded.');
    const outputs = await started.run(model, message.graph, message.inputs, message.size);
    const buffers = Object.values(outputs).map(({ buffer }) => buffer as ArrayBuffer);
    post({ type: 'done', call, outputs, description: started.description }, buffers);
  };

  scope.addEventListener('message', ({ data }: MessageEvent<ToGraphs>) => {
    if (data.type === 'start') {
      runner = nodeRuntime(data.backend).then((runtime) => new OrtRunner(runtime, data.backend));
      runner.catch(() => undefined);
      return;
    }
    answer(data).catch((thrown: unknown) => post({ type: 'failed', call: data.call, reason: reasonOf(thrown) }));
  });
}
