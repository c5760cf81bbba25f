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
  return `mana-${backend === 'wasm' || backend === 'cpu' ? 'nano' : 'live'}-x${scale}`;
}

/** What a frame costs in a `nano` network, of what it costs in the `live` one, on a processor. */
const NANO_COST = 0.25;

/**
 * The smaller network of the same family and scale that stands in for a model where there is no time for it.
 * @param model as the user asked for it
 * @param backend where it runs, which decides what `auto` is; not known before the model is loaded
 * @returns its name, and what a frame costs in it of what it costs in the model; `undefined` where there is none
 */
export function smallerModel(
  model: unknown,
  backend: Backend | undefined,
  scale: ShippedScale,
): { readonly name: ShippedModel; readonly cost: number } | undefined {
  const name = model === 'auto' ? backend && defaultModel(backend, scale) : model;
  return name === `mana-live-x${scale}` ? { name: `mana-nano-x${scale}`, cost: NANO_COST } : undefined;
}
