import type { CaseRequest, CaseResult } from './case.worker.js';

/** Measures one case in a worker of its own: its own ONNX Runtime, its own heap. */
export function measureCase(request: CaseRequest): Promise<CaseResult> {
  const worker = new Worker('/bench/pages/case.worker.ts', { type: 'module' });
  return new Promise<CaseResult>((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<{ result: CaseResult } | { error: string }>) => {
      if ('result' in data) resolve(data.result);
      else reject(new Error(data.error));
    });
    worker.addEventListener('error', ({ message }) => reject(new Error(message || 'The worker could not be loaded.')));
    worker.postMessage(request);
  }).finally(() => worker.terminate());
}
