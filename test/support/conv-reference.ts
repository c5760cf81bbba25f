import type { ConvSpec } from '../../src/engine/native/conv.js';
import type { Initialisers } from '../../src/engine/native/initialisers.js';

/** Planes as kernels have them, `[height][width][channels]`. */
export interface ReferenceInput {
  readonly width: number;
  readonly height: number;
  /** In the order of the layer's inputs; `rgb` has three channels here. */
  readonly inputs: readonly { readonly channels: number; readonly data: Float32Array }[];
  readonly added?: Float32Array;
}

/** A 3x3 convolution pixel by pixel, with bias, activation and what is added: what kernels are held against. */
export function convolve(
  { out, activation }: ConvSpec,
  weights: Initialisers,
  names: readonly string[],
  { width, height, inputs, added }: ReferenceInput,
): Float32Array {
  const result = new Float32Array(width * height * out);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let o = 0; o < out; o++) {
        let sum = names.reduce((total, name) => total + weights.get(`${name}.bias`)!.data[o]!, 0);
        const taps = columns(inputs, names, weights);
        for (const { weight, layerInputs, channel, data, channels, at } of taps) {
          for (let tap = 0; tap < 9; tap++) {
            const [ty, tx] = [y + Math.floor(tap / 3) - 1, x + (tap % 3) - 1];
            if (ty < 0 || tx < 0 || ty >= height || tx >= width) continue;
            sum += weight[(o * layerInputs + channel) * 9 + tap]! * data[(ty * width + tx) * channels + at]!;
          }
        }
        if (activation === 'relu') sum = Math.max(0, sum);
        if (activation === 'leaky-relu') sum = Math.max(sum, 0.1 * sum);
        const index = (y * width + x) * out + o;
        result[index] = sum + (added?.[index] ?? 0);
      }
    }
  }
  return result;
}

/** For each input channel: the layer that has its weights, and where its numbers are. */
function columns(inputs: ReferenceInput['inputs'], names: readonly string[], weights: Initialisers) {
  const found = inputs.flatMap(({ channels, data }) =>
    Array.from({ length: channels }, (_, at) => ({ channels, data, at })),
  );
  let next = 0;
  return names.flatMap((name) => {
    const { dims, data: weight } = weights.get(`${name}.weight`)!;
    const layerInputs = dims[1]!;
    return Array.from({ length: layerInputs }, (_, channel) => ({ ...found[next++]!, weight, layerInputs, channel }));
  });
}
