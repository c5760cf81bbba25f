import type { Backend } from '../engine/engine.js';

/** Models that ship with the package, by name. `live` is the sharper one, `nano` the one a processor can run live. */
export const SHIPPED_MODELS = ['mana-live-x2', 'mana-nano-x2'] as const;

/** Name of a model that ships with the package. */
export type ShippedModel = (typeof SHIPPED_MODELS)[number];

/** Scales that shipped models exist for. */
export const SHIPPED_SCALES: readonly number[] = [2];

/** Whether a name is that of a shipped model. */
export function isShipped(name: string): name is ShippedModel {
  return (SHIPPED_MODELS as readonly string[]).includes(name);
}

/** The model taken when the user names none: what the backend can run live. */
export function defaultModel(backend: Backend): ShippedModel {
  return backend === 'wasm' ? 'mana-nano-x2' : 'mana-live-x2';
}
