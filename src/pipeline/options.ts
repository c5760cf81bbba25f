import { isShipped, isShippedScale, SHIPPED_SCALES, type ShippedScale, scaleOf } from '../model/registry.js';
import { checkModel, type ModelRequest, type ModelSource } from '../model/source.js';

/** Choices that every way into the package takes. */
export interface UpscaleOptions {
  /** Output pixels per input pixel along each side: 2 or 4. Default: that of the shipped model that is named, else 2. */
  readonly scale?: number;
  /**
   * The network: a shipped model's name, the URL of a `manifest.json` or of the folder that holds it, or a model's bytes
   * (see {@link ModelSource}). Default `auto`: `mana-live` on WebGPU and `mana-nano` on WASM, of the scale.
   */
  readonly model?: 'auto' | ModelSource;
  /** Frames to wait for after each frame, 0..3. More is sharper, each adds one frame interval of delay. Default 3. */
  readonly lookahead?: number;
  /**
   * Longest time from a frame's arrival to its departure, in milliseconds, lookahead included. What would make it longer
   * is left out: frames of lookahead, then tiles, then the network. `Infinity`: no limit, for what is not live. Default 200.
   */
  readonly budgetMs?: number;
  /**
   * Frames a second that the network must make, where the source has as many; below that it gives way to a smaller one, and
   * that to plain resampling. `0`: it may be as slow as it is. Default 15.
   */
  readonly minFrameRate?: number;
}

/** {@link UpscaleOptions} with every default filled in. */
export interface CheckedUpscaleOptions extends Required<Omit<UpscaleOptions, 'scale' | 'model'>> {
  readonly scale: ShippedScale;
  readonly model: 'auto' | ModelRequest;
}

/**
 * Fills in defaults.
 * @throws TypeError with a sentence that names the option that is wrong
 */
export function checkUpscaleOptions(options: UpscaleOptions = {}): CheckedUpscaleOptions {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('options, when provided, must be an object.');
  const { model = 'auto', lookahead = 3, budgetMs = 200, minFrameRate = 15 } = options;
  const request = model === 'auto' ? model : checkModel(model, 'options.model', ['auto']);
  const { scale = isShipped(model) ? scaleOf(model) : 2 } = options;
  if (!isShippedScale(scale)) {
    throw new TypeError(`options.scale must be ${SHIPPED_SCALES.join(' or ')}: no model for ${scale} ships yet.`);
  }
  if (isShipped(model) && scaleOf(model) !== scale) {
    throw new TypeError(`options.scale must be ${scaleOf(model)} for the model ${model}, or left out.`);
  }
  if (!Number.isInteger(lookahead) || lookahead < 0 || lookahead > 3) {
    throw new TypeError('options.lookahead must be 0, 1, 2 or 3 frames.');
  }
  if (!(typeof budgetMs === 'number' && budgetMs > 0)) {
    throw new TypeError('options.budgetMs must be a positive number of milliseconds.');
  }
  if (!(Number.isFinite(minFrameRate) && minFrameRate >= 0)) {
    throw new TypeError('options.minFrameRate must be a number of frames a second, 0 or more.');
  }
  return { scale, model: request, lookahead, budgetMs, minFrameRate };
}
