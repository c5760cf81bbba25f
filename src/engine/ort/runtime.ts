import type * as OrtApi from 'onnxruntime-web';
import { reasonOf, UpscaleError } from '../../frame/errors.js';

/** ONNX Runtime's JavaScript API. */
export type Ort = typeof OrtApi;

/** Where a build of ONNX Runtime is found: its API, its glue code and its WebAssembly. Absolute URLs. */
export interface OrtFiles {
  readonly api: string;
  readonly mjs: string;
  readonly wasm: string;
}

/** A loaded ONNX Runtime. */
export interface OrtRuntime {
  readonly ort: Ort;
  readonly threads: number;
  /**
   * Runs one job at a time. Session creation and runs must not overlap in one runtime, in the browser builds least of
   * all: their WebGPU backend suspends in the middle of a call.
   */
  exclusive<T>(job: () => Promise<T>): Promise<T>;
}

/** Wraps an API object whose environment has been set up. */
export function ortRuntime(ort: Ort, threads: number): OrtRuntime {
  let last: Promise<unknown> = Promise.resolve();
  return {
    ort,
    threads,
    exclusive<T>(job: () => Promise<T>): Promise<T> {
      const next = last.then(job, job);
      last = next.catch(() => undefined);
      return next;
    },
  };
}

/**
 * Imports a browser build of ONNX Runtime.
 * @param threads WASM threads; more than one needs a cross-origin isolated page
 */
export async function loadOrt(files: OrtFiles, threads: number): Promise<OrtRuntime> {
  let ort: Ort;
  try {
    // The file is chosen at run time and never bundled, so that only the build that is used is fetched.
    ort = (await import(/* @vite-ignore */ /* webpackIgnore: true */ files.api)) as Ort;
  } catch (cause) {
    throw new UpscaleError(
      'backend-unavailable',
      `ONNX Runtime could not be loaded from ${files.api}: ${reasonOf(cause)}`,
      {
        cause,
      },
    );
  }
  ort.env.logLevel = 'error';
  ort.env.wasm.wasmPaths = { mjs: files.mjs, wasm: files.wasm };
  ort.env.wasm.numThreads = threads;
  return ortRuntime(ort, threads);
}
