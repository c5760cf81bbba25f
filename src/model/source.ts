import { isShipped, SHIPPED_MODELS } from './registry.js';

/** A model in memory, for those who have its files at hand. */
export interface ModelBytes {
  /** What `manifest.json` says: parsed, or its bytes. */
  readonly manifest: object | Uint8Array;
  /** The files that the manifest lists, by name. */
  readonly files: Readonly<Record<string, Uint8Array | ArrayBuffer | Blob>>;
}

/**
 * Which model: the name of one that ships; the URL of a `manifest.json`, or of the folder that holds it, its files
 * beside it; or its bytes. Relative URLs are the page's and have a slash in them; in Node, URLs are absolute.
 */
export type ModelSource = string | URL | ModelBytes;

/** A model's bytes in the form that workers hand on: blobs are passed on without a copy. */
export interface PackedModel {
  /** The text of `manifest.json`. */
  readonly text: string;
  readonly blobs: Readonly<Record<string, Blob>>;
}

/** A {@link ModelSource}, checked: a shipped model's name, a manifest's absolute URL, or bytes. */
export type ModelRequest = string | PackedModel;

/**
 * Checks what a user gave as a model; what its files hold is found out when they are loaded.
 * @param name what the user calls it, for errors
 * @param words what else may stand there, for errors
 * @throws TypeError with a sentence that says what a model can be
 */
export function checkModel(model: unknown, name: string, words: readonly string[] = []): ModelRequest {
  if (isShipped(model)) return model;
  if (typeof model === 'string' || model instanceof URL) {
    const url = manifestUrl(model);
    if (url !== undefined) return url;
  } else if (typeof model === 'object' && model !== null && 'manifest' in model && 'files' in model) {
    return pack(model, name);
  }
  const names = [...words, ...SHIPPED_MODELS].map((word) => `'${word}'`).join(', ');
  throw new TypeError(`${name} must be ${names}, the URL of a manifest.json or of its folder, or { manifest, files }.`);
}

/** The absolute URL of a model's manifest; nothing when the text is none. */
function manifestUrl(model: string | URL): string | undefined {
  const base = (globalThis as { location?: { href: string } }).location?.href;
  // A bare word is a misspelt name rather than a folder beside the page.
  if (typeof model === 'string' && !model.includes('/') && !model.endsWith('.json')) return undefined;
  if (!URL.canParse(model, base)) return undefined;
  const url = new URL(model, base);
  if (!url.pathname.endsWith('.json')) url.pathname = `${url.pathname.replace(/\/*$/, '')}/manifest.json`;
  // URLs that nothing can lie beside (blob:, data:, C:\) locate no model.
  return URL.canParse('beside', url) ? url.href : undefined;
}

function pack({ manifest, files }: { manifest: unknown; files: unknown }, name: string): PackedModel {
  if (typeof manifest !== 'object' || manifest === null) {
    throw new TypeError(`${name}.manifest must be what a manifest.json says, as an object or as a Uint8Array.`);
  }
  if (typeof files !== 'object' || files === null) throw new TypeError(`${name}.files must be an object of files.`);
  const blobs = Object.entries(files).map(([file, data]: [string, unknown]) => {
    if (data instanceof Blob) return [file, data] as const;
    if (data instanceof Uint8Array || data instanceof ArrayBuffer) {
      return [file, new Blob([data as Uint8Array<ArrayBuffer> | ArrayBuffer])] as const;
    }
    throw new TypeError(`${name}.files['${file}'] must be a Uint8Array, an ArrayBuffer or a Blob.`);
  });
  const text = manifest instanceof Uint8Array ? new TextDecoder().decode(manifest) : JSON.stringify(manifest);
  return { text, blobs: Object.fromEntries(blobs) };
}
