/**
 * mana-upscale in the browser: a MediaStreamTrack goes in, a sharper, larger MediaStreamTrack comes out.
 * So does a file of a file.
 * @module
 */
export type { Backend, StageTimes } from './engine/engine.js';
export { UpscaleError, type UpscaleErrorCode } from './frame/errors.js';
export type { Size } from './frame/frame.js';
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
export type { AssetUrls } from './media/assets.js';
export type { AudioState } from './media/audio-in-step.js';
export type {
  FileContainer,
  FileEvent,
  FileProgress,
  FileQuality,
  FileUpscaleOptions,
  FileVideoCodec,
  NoticeEvent,
} from './media/file/options.js';
export { type UpscaledFile, upscaleFile } from './media/file/upscale-file.js';
export { frames } from './media/frames.js';
export { fromTrack } from './media/from-track.js';
export { clearModelCache, type LoadModelOptions, loadModel } from './media/load-model.js';
export { type ManaUpscaleOptions, manaUpscale } from './media/mana-upscale.js';
export type { BrowserUpscaleOptions } from './media/options.js';
export { shareFrames } from './media/share-frames.js';
export { isSupported, type SupportReport, supportReport, type TrackPath } from './media/support.js';
export {
  type AudioEvent,
  type StreamStats,
  type UpscaledStream,
  type UpscaleStreamEventMap,
  type UpscaleStreamOptions,
  upscaleStream,
} from './media/upscale-stream.js';
export { type UpscaledTrack, type UpscaleEventMap, upscaleTrack } from './media/upscale-track.js';
export type { LoadProgress } from './model/loader.js';
export { SHIPPED_MODELS, type ShippedModel } from './model/registry.js';
export type { ModelBytes, ModelSource } from './model/source.js';
export type { Level, LevelNumbers } from './pipeline/levels.js';
export type { UpscaleOptions } from './pipeline/options.js';
