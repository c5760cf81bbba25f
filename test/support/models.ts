import * as ort from 'onnxruntime-web';
import type { LoadedModel } from '../../src/engine/engine.js';
import { OrtCpuEngine } from '../../src/engine/ort/cpu.js';
import type { FrameMemory } from '../../src/engine/ort/cpu-stream.js';
import { OrtRunner } from '../../src/engine/ort/graph-runner.js';
import { ortRuntime } from '../../src/engine/ort/runtime.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { rgbx } from '../../src/frame/rgbx.js';
import { fetchOrRead } from '../../src/model/file-fetch.js';
import { ModelLoader } from '../../src/model/loader.js';

const loader = new ModelLoader({ fetch: fetchOrRead });

/** A shipped model, read from `models/`. */
export function shippedModel(name: string): Promise<LoadedModel> {
  return loader.load({ manifest: new URL(`../../models/${name}/manifest.json`, import.meta.url).href });
}

/** Frames that are planes already. */
export const planarMemory: FrameMemory<PlanarFrame, PlanarFrame> = {
  read: (frame) => frame,
  write: (pixels, { width, height }, times) => rgbx(pixels.slice(), width, height, times),
};

/** The WASM engine in Node, one thread. */
export function wasmEngine(): OrtCpuEngine<PlanarFrame, PlanarFrame> {
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = 1;
  return new OrtCpuEngine(new OrtRunner(ortRuntime(ort, 1)), () => planarMemory);
}
