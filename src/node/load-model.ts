import type { LoadProgress } from '../model/loader.js';
import { checkModel, type ModelBytes, type ModelSource } from '../model/source.js';
import { locate, modelCache, modelLoader } from './node-backends.js';

/** Choices of {@link loadModel}. */
export interface LoadModelOptions {
  /** Ends the download. What had come of a file is dropped; files that were whole stay in the cache. */
  readonly signal?: AbortSignal;
  /** Told how far the model's files are here. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Downloads a model ahead of its use and checks it. It is then in the cache on disk, where streams that name it find it,
 * with the network gone too; what is returned may also be given as their `model`.
 *
 * The cache is `mana-upscale` in the platform's folder for caches (`XDG_CACHE_HOME`, `~/Library/Caches`, `LOCALAPPDATA`).
 * The environment variable `MANA_UPSCALE_CACHE` names another folder; empty, nothing is kept.
 *
 * @param model a shipped model's name, the URL of a `manifest.json` or of the folder that holds it, or a model's bytes
 * @throws TypeError when the model is none of these; UpscaleError `model-unavailable` when a file cannot be fetched and
 * `model-invalid` when it is not what the manifest promises; the signal's reason when that is aborted
 */
export async function loadModel(model: ModelSource, options: LoadModelOptions = {}): Promise<ModelBytes> {
  const { manifest, files } = await modelLoader.load(locate(checkModel(model, 'model')), options);
  return { manifest, files: Object.fromEntries([...files].map(([name, data]) => [name, data.slice()])) };
}

/** Forgets all model files that are kept on disk between runs. Streams that run are not disturbed. */
export async function clearModelCache(): Promise<void> {
  await modelCache.clear();
}
