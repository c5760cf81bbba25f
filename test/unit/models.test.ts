import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { goldenTile, verify } from '../../src/engine/verify.js';
import { UpscaleError } from '../../src/frame/errors.js';
import { shippedModel, wasmEngine } from '../support/models.js';

const fixtures = new URL('../fixtures/golden/', import.meta.url);

async function floats(file: URL): Promise<Float32Array> {
  return new Float32Array(new Uint8Array(await readFile(file)).buffer);
}

describe.each(['mana-nano-x2', 'mana-live-x2'])('%s on WASM', (name) => {
  const engine = wasmEngine();

  it('answers the golden tile within 1e-4 of PyTorch', async () => {
    expect(await verify(engine, await shippedModel(name))).toBeLessThan(1e-4);
  });

  it('answers the training checkpoint’s golden frames within 1e-4 of PyTorch', async () => {
    const input = await floats(new URL(`${name}/input.f32`, fixtures));
    const expected = await floats(new URL(`${name}/output.f32`, fixtures));
    const answer = await engine.runTile(await shippedModel(name), input, { width: 64, height: 48 });
    expect(answer.length).toBe(expected.length);
    expect(
      answer.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (expected[i] as number))), 0),
    ).toBeLessThan(1e-4);
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
