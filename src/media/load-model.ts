import { ModelCache } from '../model/cache.js';
import { type LoadProgress, ModelLoader } from '../model/loader.js';
import { isShipped } from '../model/registry.js';
import { checkModel, type ModelBytes, type ModelSource } from '../model/source.js';
import { WebStore } from '../model/web-store.js';
import { type AssetUrls, modelLocations } from './assets.js';

/** Choices of {@link loadModel}. */
export interface LoadModelOptions {
  /** Where the package's models are, when not beside the bundle. */
  readonly assets?: AssetUrls;
  /** Ends the download. What had come of a file is dropped; files that were whole stay in the cache. */
  readonly signal?: AbortSignal;
  /** Told how far the model's files are here. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

const cache = new ModelCache(new WebStore());

/**
 * Downloads a model ahead of its use and checks it. It is then in the browser's cache, where streams that name it find it,
 * with the network gone too; what is returned may also be given as their `model`.
 *
 * @param model a shipped model's name, the URL of a `manifest.json` or of the folder that holds it, or a model's bytes
 * @example
 * ```ts
 * const model = await loadModel('https://example.com/models/mine/', { onProgress: ({ loaded, total }) => show(loaded / total) });
 * const upscaled = await upscaleTrack(track, { model });
 * ```
 * @throws TypeError when the model is none of these; UpscaleError `model-unavailable` when a file cannot be fetched and
 * `model-invalid` when it is not what the manifest promises; the signal's reason when that is aborted
 */
export async function loadModel(model: ModelSource, options: LoadModelOptions = {}): Promise<ModelBytes> {
  const { assets = {}, signal, onProgress } = options;
  const request = checkModel(model, 'model');
  const location = isShipped(request)
    ? modelLocations(assets)[request]
    : typeof request === 'string'
      ? { manifest: request }
      : request;
  const { manifest, files } = await new ModelLoader({ cache }).load(location, { signal, onProgress });
  return { manifest, files: Object.fromEntries(files) };
}

/** Forgets all model files that are kept between visits. Streams that run are not disturbed. */
export async function clearModelCache(): Promise<void> {
  await cache.clear();
}
