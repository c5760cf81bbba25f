import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { PlaneSpec } from '../../model/manifest.js';
import type { LoadedModel } from '../engine.js';
import { planeSize } from '../planes.js';
import type { OrtRuntime } from './runtime.js';

/** Both graphs of a model, ready to run on tensors in main memory. */
export interface Sessions {
  readonly encode: InferenceSession;
  readonly fuse: InferenceSession;
}

/** A graph's inputs or outputs by their names, `[channels, height / stride, width / stride]` each. */
export type Ports = Record<string, Float32Array>;

/** What the manifest says of a plane. */
export function planeSpec({ manifest }: LoadedModel, name: string): PlaneSpec {
  const spec = manifest.planes[name];
  if (!spec) throw new UpscaleError('model-invalid', `The model ${manifest.name} has no plane ${name}.`);
  return spec;
}

/** Runs the encoder on a tile of this size. */
export async function runEncode(
  runtime: OrtRuntime,
  session: InferenceSession,
  model: LoadedModel,
  inputs: Ports,
  size: Size,
): Promise<Ports> {
  const { encode } = model.manifest;
  const feeds = feedsOf(runtime, model, encode.inputs, inputs, size);
  const results = await runtime.exclusive(() => session.run(feeds));
  return Object.fromEntries(Object.keys(encode.outputs).map((name) => [name, dataOf(results[name], name)]));
}

/** Runs the fuse graph on a tile of this size: `[3, height * scale, width * scale]`. */
export async function runFuse(
  runtime: OrtRuntime,
  session: InferenceSession,
  model: LoadedModel,
  inputs: Ports,
  size: Size,
): Promise<Float32Array> {
  const { fuse } = model.manifest;
  const feeds = feedsOf(runtime, model, fuse.inputs, inputs, size);
  const results = await runtime.exclusive(() => session.run(feeds));
  return dataOf(results[fuse.output], fuse.output);
}

/** Gives memory back now, where the platform can: the garbage collector would come a hundred megabytes later. */
export function free(data: Float32Array | undefined): void {
  const buffer = data?.buffer as (ArrayBuffer & { transfer?(length: number): ArrayBuffer }) | undefined;
  buffer?.transfer?.(0);
}

function feedsOf(
  runtime: OrtRuntime,
  model: LoadedModel,
  specs: Readonly<Record<string, { readonly plane: string }>>,
  inputs: Ports,
  size: Size,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { plane }] of Object.entries(specs)) {
    const { channels, stride } = planeSpec(model, plane);
    const { width, height } = planeSize(size, stride);
    feeds[name] = new runtime.ort.Tensor('float32', inputs[name] as Float32Array, [1, channels, height, width]);
  }
  return feeds;
}

function dataOf(result: Tensor | undefined, name: string): Float32Array {
  if (!(result?.data instanceof Float32Array)) {
    throw new UpscaleError('model-invalid', `The graph does not answer with an fp32 tensor named ${name}.`);
  }
  return result.data;
}
