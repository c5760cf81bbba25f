import { sha256Of } from './digest.js';

/** A place that keeps bytes under names. Any call may reject: full, read-only, forbidden. */
export interface Store {
  /** The bytes of a name; nothing when there are none, or more than `most`. */
  get(name: string, most: number): Promise<Uint8Array | undefined>;
  /** Keeps bytes, all or none of them. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  delete(name: string): Promise<void>;
  /** What is kept, first what is to go first. */
  list(): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
}

/** Bytes kept at most; the oldest go first. */
const MOST_BYTES = 256 * 2 ** 20;
const DIGEST_LENGTH = 64;

/**
 * Model files kept between visits, each under the sha256 of what it holds and checked on every read: one that was
 * altered is dropped. A URL's manifest is kept as the digest it had last. Nothing here rejects: where nothing can be
 * kept, nothing is found.
 */
export class ModelCache {
  constructor(
    readonly store: Store | undefined,
    readonly mostBytes = MOST_BYTES,
  ) {}

  /** The file with a sha256, if it is here. */
  async file(sha256: string, bytes: number): Promise<Uint8Array | undefined> {
    const name = `sha256-${sha256}`;
    try {
      const kept = await this.store?.get(name, bytes);
      if (!kept || (await sha256Of(kept)) === sha256) return kept;
      await this.store?.delete(name);
    } catch {
      // As if it were not here.
    }
    return undefined;
  }

  /** Keeps a file whose sha256 was checked. */
  async keep(sha256: string, data: Uint8Array): Promise<void> {
    await this.#put(`sha256-${sha256}`, data);
  }

  /** The manifest that a URL had last. */
  async manifest(url: string, most: number): Promise<Uint8Array | undefined> {
    try {
      const digest = await this.store?.get(await nameOf(url), DIGEST_LENGTH);
      return digest && (await this.file(new TextDecoder().decode(digest), most));
    } catch {
      return undefined;
    }
  }

  /** Keeps the manifest of a URL. */
  async keepManifest(url: string, data: Uint8Array): Promise<void> {
    const sha256 = await sha256Of(data);
    await this.keep(sha256, data);
    await this.#put(await nameOf(url), new TextEncoder().encode(sha256));
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    try {
      for (const { name } of (await this.store?.list()) ?? []) await this.store?.delete(name);
    } catch {
      // What cannot be opened holds nothing.
    }
  }

  async #put(name: string, data: Uint8Array): Promise<void> {
    try {
      const kept = (await this.store?.list()) ?? [];
      let bytes = kept.reduce((sum, entry) => sum + entry.bytes, data.length);
      if (data.length > this.mostBytes) return;
      for (const entry of kept) {
        if (bytes <= this.mostBytes) break;
        await this.store?.delete(entry.name);
        bytes -= entry.bytes;
      }
      await this.store?.put(name, data);
    } catch {
      // It is fetched again next time.
    }
  }
}

async function nameOf(url: string): Promise<string> {
  return `url-${await sha256Of(new TextEncoder().encode(url))}`;
}
