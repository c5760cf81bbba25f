import { describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.js';
import { goldenTile, verify } from '../../src/engine/verify.js';
import { UpscaleError } from '../../src/frame/errors.js';
import { halfOf } from '../../src/model/half.js';
import { SHIPPED_MODELS } from '../../src/model/registry.js';
import { shippedModel, wasmEngine } from '../support/models.js';

describe.each(SHIPPED_MODELS)('%s on WASM', (name) => {
  const engine = wasmEngine();

  it('answers the golden tile within 1e-4 of PyTorch', async () => {
    expect(await verify(engine, await shippedModel(name))).toBeLessThan(1e-4);
  });

  it('answers it in half precision within the tolerance of its manifest', async () => {
    const half = halfOf(await shippedModel(name)) as LoadedModel;
    expect(await verify(engine, half)).toBeGreaterThan(0);
  });

  it('is refused when its golden tile does not match', async () => {
    const model = await shippedModel(name);
    const golden = new Uint8Array(model.files.get(model.manifest.golden.file) as Uint8Array);
    const { width, height, expected } = goldenTile(model);
    const floatsAt = model.manifest.window * 3 * width * height;
    new Float32Array(golden.buffer.slice(floatsAt)).forEach((value, i) => {
      if (i === expected.length - 1) new DataView(golden.buffer).setFloat32(floatsAt + i * 4, value + 0.01, true);
    });
    const wrong = { ...model, files: new Map([...model.files, [model.manifest.golden.file, golden]]) };
    await expect(verify(engine, wrong)).rejects.toThrow(UpscaleError);
    await expect(verify(engine, wrong)).rejects.toMatchObject({ code: 'backend-wrong' });
  });
});
