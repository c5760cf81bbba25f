import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import type { LoadedModel } from '../../src/engine/engine.js';
import { type AttentionSettings, attentionSettings } from '../../src/engine/native/attention-settings.js';
import { type AttentionWeights, attentionWeights } from '../../src/engine/native/attention-weights.js';
import type { Initialisers } from '../../src/engine/native/initialisers.js';
import { FRAMES } from './attention-cases.js';
import type { Plane } from './attention-reference.js';
import { fixtureModel } from './fixtures.js';
import { initialisersOf, withOutputs } from './onnx.js';
import { photoFrame } from './pictures.js';

/** A model with attention, and what was read of it. */
export interface Network {
  readonly model: LoadedModel;
  readonly settings: AttentionSettings;
  readonly weights: AttentionWeights;
  readonly initialisers: Initialisers;
}

/** A model of `test/fixtures` with attention. */
export async function network(name: string): Promise<Network> {
  const model = await fixtureModel(name);
  const manifest = JSON.parse(readFileSync(new URL(`../fixtures/${name}/manifest.json`, import.meta.url), 'utf8'));
  const settings = attentionSettings(manifest.settings)!;
  const initialisers = initialisersOf(model.files.get('encode.onnx')!, model.files.get('fuse.onnx')!);
  return { model, settings, initialisers, weights: attentionWeights(settings, initialisers) };
}

const plane = (tensor: ort.Tensor): Plane => {
  const [, channels, height, width] = tensor.dims as [number, number, number, number];
  return { channels, height, width, data: tensor.data as Float32Array };
};

/** What ONNX Runtime makes of seven crops of a photograph: all planes of the frames, z and what it was before attention. */
export async function onnxAnswer({ model }: Network, width: number, height: number) {
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = 1;
  const encode = await ort.InferenceSession.create(model.files.get('encode.onnx')!);
  const before = model.manifest.planes['near'] ? 'add' : 'feat';
  const outputs = before === 'feat' ? ['z'] : ['z', before];
  const fuse = await ort.InferenceSession.create(withOutputs(model.files.get('fuse.onnx')!, outputs));
  const frames: Record<string, ort.Tensor>[] = [];
  for (const t of FRAMES) {
    const { data } = photoFrame(width, height, 300 + 3 * t, 200 + 2 * t);
    const rgb = new Float32Array(3 * width * height);
    for (let i = 0; i < rgb.length; i++) {
      rgb[i] = data[(i % (width * height)) * 4 + Math.floor(i / (width * height))]! / 255;
    }
    const frame = new ort.Tensor('float32', rgb, [1, 3, height, width]);
    frames.push({ frame, ...(await encode.run({ frame })) });
  }
  const inputs = Object.entries(model.manifest.fuse.inputs);
  const given = Object.fromEntries(inputs.map(([name, input]) => [name, frames[input.slot]![input.plane]!]));
  const made = await fuse.run(given);
  await Promise.all([encode.release(), fuse.release()]);
  return {
    feats: frames.map(({ feat }) => plane(feat!)),
    planes: frames.map(({ key, value }) => ({ key: plane(key!), value: plane(value!) })),
    base: before === 'feat' ? plane(frames[3]!['feat']!) : plane(made[before]!),
    z: plane(made['z']!),
  };
}
