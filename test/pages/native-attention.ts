import { Attention } from '../../src/engine/native/attention.js';
import type { AttentionSettings } from '../../src/engine/native/attention-settings.js';
import type { Precision } from '../../src/engine/native/conv.js';
import { toHalf } from '../../src/engine/native/half.js';
import { GpuDevice } from '../../src/engine/webgpu/device.js';
import { FRAMES, randomPlane, randomSettings, randomWeights, worst } from '../support/attention-cases.js';
import { attend, keysValues } from '../support/attention-reference.js';
import { filledBuffer, packedPlane, readBuffer, unpackedPlane } from '../support/native-planes.js';

const SIZE = { width: 24, height: 16 };
const WHOLE = { x: 0, y: 0, ...SIZE };

/** How far z of this browser's kernels is from the reference, in each precision that the device has. */
export async function attention(of: Partial<AttentionSettings>): Promise<Partial<Record<Precision, number>>> {
  const faults: string[] = [];
  const gpu = await GpuDevice.request(undefined, (reason) => faults.push(reason));
  const settings = randomSettings(of);
  const weights = randomWeights(settings);
  const feats = FRAMES.map((t) => randomPlane(settings.channels, SIZE.width, SIZE.height, t + 1));
  const own = feats.map((feat) => keysValues(settings, weights, feat));
  const expected = attend(
    settings,
    weights,
    feats[3]!,
    settings.attendFrames.map((t) => own[t]!),
  );
  const off: Partial<Record<Precision, number>> = {};
  for (const precision of ['f32', 'f16'] as const) {
    if (precision === 'f16' && !gpu.device.features.has('shader-f16')) continue;
    const scope = gpu.scope();
    const kernels = new Attention(scope, settings, weights, SIZE, 7, precision);
    const buffers = feats.map((feat) => {
      const packed = packedPlane(feat);
      return filledBuffer(scope, 'feat', precision === 'f32' ? packed : toHalf(packed));
    });
    const z = scope.buffer('z', buffers[0]!.size);
    gpu.submit((encoder) => {
      const pass = encoder.beginComputePass();
      for (const [slot, feat] of buffers.entries()) kernels.recordEncode(pass, feat, slot, WHOLE);
      kernels.record(pass, buffers[3]!, FRAMES, z, WHOLE);
      pass.end();
    });
    const made = await readBuffer(scope, z, precision);
    off[precision] = worst(expected, unpackedPlane(made, settings.channels, SIZE.width, SIZE.height));
    scope.dispose();
  }
  gpu.destroy();
  if (faults[0]) throw new Error(faults[0]);
  return off;
}
