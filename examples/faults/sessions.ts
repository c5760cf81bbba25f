import type { InferenceSession } from 'onnxruntime-web';
import type { Graph } from './faults.js';

/** What stands around each run of a session. */
export interface RunHooks {
  /** Comes before the run, which fails with what this throws. */
  before(graph: Graph): Promise<void>;
  /** May alter what the run answered. */
  after(results: InferenceSession.ReturnType): void;
}

type Run = (this: InferenceSession, ...args: unknown[]) => Promise<InferenceSession.ReturnType>;

/**
 * Puts hooks around every run of every session of a build of ONNX Runtime.
 *
 * The engine imports the build by its URL. A worker has one instance of a module for each URL, so the same import here,
 * served by the same server, is the very instance whose sessions the engine will make; and as all its sessions share one
 * prototype, it does not matter that they are made later.
 * @param api URL of the build's API
 */
export async function hookSessions(api: string, hooks: RunHooks): Promise<void> {
  const ort = (await import(/* @vite-ignore */ api)) as typeof import('onnxruntime-web');
  // It is a class; the types show a factory only.
  const { prototype } = ort.InferenceSession as unknown as { prototype: { run: Run } };
  const { run } = prototype;
  prototype.run = async function (...args) {
    // Only encoders make features.
    await hooks.before(this.outputNames.includes('feat') ? 'encode' : 'fuse');
    const results = await run.apply(this, args);
    hooks.after(results);
    return results;
  };
}
