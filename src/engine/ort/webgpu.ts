import { createGpuEngine, type GpuEngineOptions, type WebGpuEngine } from '../webgpu/engine.js';
import type { OrtRuntime } from './runtime.js';
import { OrtNetworks } from './webgpu-network.js';

/** Choices for {@link createWebGpuEngine}. */
export interface WebGpuOptions extends GpuEngineOptions {
  /** A build of ONNX Runtime with its WebGPU backend. */
  readonly runtime: OrtRuntime;
  /** Replay recorded commands where ONNX Runtime can. Default `true`. */
  readonly graphCapture?: boolean;
}

/**
 * An engine that runs networks by ONNX Runtime on WebGPU.
 * @throws UpscaleError `backend-unavailable` where there is no adapter or device
 */
export function createWebGpuEngine(options: WebGpuOptions): Promise<WebGpuEngine> {
  return createGpuEngine(options, (gpu) => new OrtNetworks(gpu, options.runtime, options.graphCapture ?? true));
}
