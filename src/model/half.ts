import type { LoadedModel } from '../engine/engine.js';

const halves = new WeakMap<LoadedModel, LoadedModel>();

/**
 * The half-precision form of a model, if it has one: a model like any other, whose graphs compute in fp16 between fp32
 * planes. Of equal models the same object is answered each time, so that engines make its sessions once.
 */
export function halfOf(model: LoadedModel): LoadedModel | undefined {
  const { manifest, files } = model;
  if (!manifest.half) return undefined;
  let half = halves.get(model);
  if (!half) {
    const { encode, fuse, tolerance } = manifest.half;
    half = {
      files,
      manifest: {
        ...manifest,
        name: `${manifest.name} (fp16)`,
        encode: { ...manifest.encode, file: encode },
        fuse: { ...manifest.fuse, file: fuse },
        golden: { ...manifest.golden, tolerance },
      },
    };
    halves.set(model, half);
  }
  return half;
}
