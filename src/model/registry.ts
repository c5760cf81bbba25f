import type { Backend } from '../engine/engine.js';

/** Models that ship with the package, by name. `live` is the sharper one, `nano` the one a processor can run live. */
export const SHIPPED_MODELS = ['mana-live-x2', 'mana-live-x4', 'mana-nano-x2', 'mana-nano-x4'] as const;

/** Name of a model that ships with the package. */
export type ShippedModel = (typeof SHIPPED_MODELS)[number];

/** Scales that shipped models exist for. */
export const SHIPPED_SCALES = [2, 4] as const;

/** A scale that shipped models exist for. */
export type ShippedScale = (typeof SHIPPED_SCALES)[number];

/** Whether a name is that of a shipped model. */
export function isShipped(name: unknown): name is ShippedModel {
  return (SHIPPED_MODELS as readonly unknown[]).includes(name);
}

/** Whether shipped models exist for a scale. */
export function isShippedScale(scale: unknown): scale is ShippedScale {
  return (SHIPPED_SCALES as readonly unknown[]).includes(scale);
}

/** The scale that a shipped model's name ends with. */
export function scaleOf(model: ShippedModel): ShippedScale {
  return model.endsWith('-x4') ? 4 : 2;
}

/** The model taken when the user names none: what the backend can run live. */
export function defaultModel(backend: Backend, scale: ShippedScale): ShippedModel {
  return `mana-${backend === 'wasm' ? 'nano' : 'live'}-x${scale}`;
}
