import { isShipped, SHIPPED_MODELS, SHIPPED_SCALES } from '../model/registry.js';

/** Choices that every way into the package takes. */
export interface UpscaleOptions {
  /** Output pixels per input pixel along each side. Default 2, the only scale that ships. */
  readonly scale?: number;
  /**
   * A shipped model's name, or the URL of a `manifest.json` (absolute in Node). Default `auto`: `mana-live-x2` on WebGPU,
   * `mana-nano-x2` on WASM.
   */
  readonly model?: string;
  /** Frames to wait for after each frame, 0..3. More is sharper, each adds one frame interval of delay. Default 3. */
  readonly lookahead?: number;
  /**
   * Longest time a frame may wait for the frames after it, in milliseconds; when they do not come, copies stand in. It
   * is also the longest the network may take for a frame: one that takes longer again and again is left. Default 200.
   */
  readonly budgetMs?: number;
}

/** {@link UpscaleOptions} with every default filled in. */
export type CheckedUpscaleOptions = Required<UpscaleOptions>;

/**
 * Fills in defaults.
 * @throws TypeError with a sentence that names the option that is wrong
 */
export function checkUpscaleOptions(options: UpscaleOptions = {}): CheckedUpscaleOptions {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('options, when provided, must be an object.');
  const { scale = 2, model = 'auto', lookahead = 3, budgetMs = 200 } = options;
  if (!SHIPPED_SCALES.includes(scale)) {
    throw new TypeError(`options.scale must be ${SHIPPED_SCALES.join(' or ')}: no model for ${scale} ships yet.`);
  }
  const named = model === 'auto' || isShipped(model);
  const url = named ? model : manifestUrl(model);
  if (url === undefined) {
    throw new TypeError(
      `options.model must be 'auto', ${SHIPPED_MODELS.map((name) => `'${name}'`).join(', ')} or the URL of a manifest.json.`,
    );
  }
  if (!Number.isInteger(lookahead) || lookahead < 0 || lookahead > 3) {
    throw new TypeError('options.lookahead must be 0, 1, 2 or 3 frames.');
  }
  if (!(Number.isFinite(budgetMs) && budgetMs > 0)) {
    throw new TypeError('options.budgetMs must be a positive number of milliseconds.');
  }
  return { scale, model: url, lookahead, budgetMs };
}

/** A manifest's absolute URL, relative ones being the page's; nothing when it is none. */
function manifestUrl(model: unknown): string | undefined {
  const base = (globalThis as { location?: { href: string } }).location?.href;
  if (typeof model !== 'string' || !URL.canParse(model, base)) return undefined;
  const url = new URL(model, base);
  return url.pathname.endsWith('.json') ? url.href : undefined;
}
