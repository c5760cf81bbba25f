import type { LoadedModel } from '../engine/engine.js';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import { parseManifest } from './manifest.js';

/** Where a model's files are. */
export interface ModelLocation {
  /** URL of `manifest.json`. */
  readonly manifest: string;
  /** URLs of its files by name, for bundlers that rename them. A file not listed lies beside the manifest. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Fetches a URL's bytes; rejects when it cannot. */
export type FetchBytes = (url: string) => Promise<Uint8Array>;

/** Fetches through the platform's `fetch`. */
export const fetchBytes: FetchBytes = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};

/**
 * Loads models, each once however many streams ask for it, and checks every file against the manifest's sha256.
 * A model that could not be loaded is asked for again next time.
 */
export class ModelLoader {
  readonly #models = new Map<string, Promise<LoadedModel>>();

  constructor(readonly fetch: FetchBytes = fetchBytes) {}

  /**
   * @throws UpscaleError `model-unavailable` when a file cannot be fetched, `model-invalid` when it is not what the
   * manifest promises
   */
  load(location: ModelLocation): Promise<LoadedModel> {
    let model = this.#models.get(location.manifest);
    if (!model) {
      model = this.#load(location);
      model.catch(() => this.#models.delete(location.manifest));
      this.#models.set(location.manifest, model);
    }
    return model;
  }

  async #load({ manifest: url, files = {} }: ModelLocation): Promise<LoadedModel> {
    const manifest = parseManifest(asJson(await this.#fetch(url), url));
    const loaded = await Promise.all(
      Object.entries(manifest.files).map(async ([name, { bytes, sha256 }]) => {
        const at = files[name] ?? new URL(name, url).href;
        const data = await this.#fetch(at);
        if (data.length !== bytes || (await sha256Of(data)) !== sha256) {
          throw new UpscaleError(
            'model-invalid',
            `${at} is not the file that the manifest of ${manifest.name} describes.`,
          );
        }
        return [name, data] as const;
      }),
    );
    return { manifest, files: new Map(loaded) };
  }

  async #fetch(url: string): Promise<Uint8Array> {
    try {
      return await this.fetch(url);
    } catch (cause) {
      throw new UpscaleError('model-unavailable', `A model file could not be fetched: ${reasonOf(cause)}.`, { cause });
    }
  }
}

function asJson(bytes: Uint8Array, url: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new UpscaleError('model-invalid', `${url} is not JSON.`, { cause });
  }
}

async function sha256Of(data: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
