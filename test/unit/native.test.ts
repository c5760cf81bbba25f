import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNativeEngine } from '../../src/engine/native/webgpu.js';
import { verify } from '../../src/engine/verify.js';
import type { WebGpuEngine } from '../../src/engine/webgpu/engine.js';
import { SHIPPED_MODELS } from '../../src/model/registry.js';
import { shippedModel } from '../support/models.js';
import { nodeAdapter } from '../support/node-gpu.js';

let engine: WebGpuEngine;

beforeAll(async () => {
  engine = await createNativeEngine({ adapter: await nodeAdapter(), textures: false, gpuTimes: false });
});
afterAll(() => engine.disposed());

describe.each(SHIPPED_MODELS)('%s', (name) => {
  it('answers its golden tile', async () => {
    const worst = await verify(engine, await shippedModel(name));
    console.log(`${name}: ${worst.toExponential(1)} from the golden answer.`);
    expect(worst).toBeLessThan(1e-4);
  });
});
