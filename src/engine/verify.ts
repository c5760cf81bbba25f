import { UpscaleError } from '../frame/errors.js';
import type { Engine, LoadedModel } from './engine.js';

/** The small question every backend is asked, and its answer. */
export interface GoldenTile {
  readonly width: number;
  readonly height: number;
  /** `[window, 3, height, width]`, R'G'B' 0..1 */
  readonly frames: Float32Array;
  /** `[3, height * scale, width * scale]` */
  readonly expected: Float32Array;
  readonly tolerance: number;
}

/** Reads a model's golden tile. @throws UpscaleError `model-invalid` when the file has another length. */
export function goldenTile({ manifest, files }: LoadedModel): GoldenTile {
  const { file, width, height, tolerance } = manifest.golden;
  const bytes = files.get(file);
  const inputs = manifest.window * 3 * width * height;
  const outputs = 3 * width * height * manifest.scale ** 2;
  if (bytes?.length !== inputs + outputs * 4) {
    throw new UpscaleError(
      'model-invalid',
      `The golden tile of ${manifest.name} does not have the length its manifest says.`,
    );
  }
  const frames = Float32Array.from(bytes.subarray(0, inputs), (value) => value / 255);
  const expected = new Float32Array(new Uint8Array(bytes.subarray(inputs)).buffer);
  return { width, height, frames, expected, tolerance };
}

/**
 * Asks an engine for the golden tile of a model.
 * @returns the largest difference from the expected answer
 * @throws UpscaleError `backend-wrong` when a value is off by more than the model's tolerance
 */
export async function verify<In, Out>(engine: Engine<In, Out>, model: LoadedModel): Promise<number> {
  const { width, height, frames, expected, tolerance } = goldenTile(model);
  const answer = await engine.runTile(model, frames, { width, height });
  let worst = answer.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((answer[i] as number) - (expected[i] as number));
    // Written so that NaN counts as wrong.
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  if (worst > tolerance) {
    throw new UpscaleError(
      'backend-wrong',
      `The ${engine.backend} backend computes ${model.manifest.name} wrongly here: off by ${worst.toPrecision(2)}, allowed ${tolerance}.`,
    );
  }
  return worst;
}
