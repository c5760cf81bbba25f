import type { OrtBackend } from '../engine/ort/graph-runner.js';
import { type Ort, type OrtRuntime, ortRuntime } from '../engine/ort/runtime.js';
import { UpscaleError } from '../frame/errors.js';

/**
 * ONNX Runtime in this thread, with one thread of its own: its pool spins while it waits, and several streams share a
 * machine.
 * @throws UpscaleError `backend-unavailable` without the package that the backend needs
 */
export async function nodeRuntime(backend: OrtBackend): Promise<OrtRuntime> {
  const ort = backend === 'wasm' ? await import('onnxruntime-web') : await native(backend);
  // What does not start is told by its error.
  ort.env.logLevel = 'fatal';
  if (backend === 'wasm') ort.env.wasm.numThreads = 1;
  return ortRuntime(ort, 1);
}

async function native(backend: OrtBackend): Promise<Ort> {
  try {
    // The same API; its types are a copy.
    return (await import('onnxruntime-node')) as unknown as Ort;
  } catch (cause) {
    throw new UpscaleError(
      'backend-unavailable',
      `The backend ${backend} needs a package that is not installed: npm install onnxruntime-node`,
      { cause },
    );
  }
}
