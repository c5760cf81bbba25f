/**
 * The operator for Node: frames in memory go in and come out. The same pipeline as in the browser, on other threads.
 * @module
 */

export type { Backend, StageTimes } from './engine/engine.js';
export { UpscaleError, type UpscaleErrorCode } from './frame/errors.js';
export type {
  ColourMatrix,
  ColourSpace,
  FrameTimes,
  PlanarFormat,
  PlanarFrame,
  PlaneLayout,
  Size,
} from './frame/frame.js';
export type {
  DroppedFrames,
  EndedEvent,
  FallbackEvent,
  Interruption,
  LevelEvent,
  LoadingEvent,
  Percentiles,
  UpscaleEvent,
  UpscaleStats,
  WindowResets,
} from './live/stats.js';
export type { LoadProgress } from './model/loader.js';
export { SHIPPED_MODELS, type ShippedModel } from './model/registry.js';
export type { ModelBytes, ModelSource } from './model/source.js';
export { clearModelCache, type LoadModelOptions, loadModel } from './node/load-model.js';
export { manaUpscale, type NodeUpscaleOptions } from './node/mana-upscale.js';
export type { NodeBackend } from './node/options.js';
export type { Level, LevelNumbers } from './pipeline/levels.js';
export type { UpscaleOptions } from './pipeline/options.js';
