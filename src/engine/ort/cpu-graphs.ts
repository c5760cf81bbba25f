import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { PlaneSpec } from '../../model/manifest.js';
import type { LoadedModel } from '../engine.js';
import type { OrtRuntime } from './runtime.js';

/** Both graphs of a model, ready to run on tensors in main memory. */
export interface Sessions {
  readonly encode: InferenceSession;
  readonly fuse: InferenceSession;
}

/** The tensors of one frame by plane name, `[channels, height / stride, width / stride]`. */
export type Planes = Map<string, Float32Array>;

/** What the manifest says of a plane. */
export function planeSpec(model: LoadedModel, name: string): PlaneSpec {
  const spec = model.manifest.planes[name];
  if (!spec) throw new UpscaleError('model-invalid', `The model ${model.manifest.name} has no plane ${name}.`);
  return spec;
}

/** A plane that must be there. */
export function planeOf(planes: Planes, name: string): Float32Array {
  const plane = planes.get(name);
  if (!plane) throw new UpscaleError('engine-failed', `The plane ${name} has not been computed yet.`);
  return plane;
}

function tensor(runtime: OrtRuntime, data: Float32Array, { channels, stride }: PlaneSpec, size: Size): Tensor {
  return new runtime.ort.Tensor('float32', data, [1, channels, size.height / stride, size.width / stride]);
}

/** Runs the encoder on planes of one size and puts its results beside them. */
export async function runEncode(
  runtime: OrtRuntime,
  session: InferenceSession,
  model: LoadedModel,
  planes: Planes,
  size: Size,
): Promise<void> {
  const { inputs, outputs } = model.manifest.encode;
  const feeds: Record<string, Tensor> = {};
  for (const [name, plane] of Object.entries(inputs)) {
    feeds[name] = tensor(runtime, planeOf(planes, plane), planeSpec(model, plane), size);
  }
  for (const plane of Object.values(outputs)) {
    free(planes.get(plane));
    planes.delete(plane);
  }
  const results = await runtime.exclusive(() => session.run(feeds));
  for (const [name, plane] of Object.entries(outputs)) planes.set(plane, dataOf(results[name], name));
}

/** Gives memory back now, where the platform can: the garbage collector would come a hundred megabytes later. */
export function free(data: Float32Array | undefined): void {
  const buffer = data?.buffer as (ArrayBuffer & { transfer?(length: number): ArrayBuffer }) | undefined;
  buffer?.transfer?.(0);
}

/** Runs the fuse graph on a window of planes, oldest first. */
export async function runFuse(
  runtime: OrtRuntime,
  session: InferenceSession,
  model: LoadedModel,
  window: readonly Planes[],
  size: Size,
): Promise<Float32Array> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { plane, slot }] of Object.entries(model.manifest.fuse.inputs)) {
    feeds[name] = tensor(runtime, planeOf(window[slot] as Planes, plane), planeSpec(model, plane), size);
  }
  const results = await runtime.exclusive(() => session.run(feeds));
  return dataOf(results[model.manifest.fuse.output], model.manifest.fuse.output);
}

function dataOf(result: Tensor | undefined, name: string): Float32Array {
  if (!(result?.data instanceof Float32Array)) {
    throw new UpscaleError('model-invalid', `The graph does not answer with an fp32 tensor named ${name}.`);
  }
  return result.data;
}
