import type { LoadedModel } from '../engine/engine.js';
import { UpscaleError } from '../frame/errors.js';
import { ModelCache } from './cache.js';
import { sha256Of } from './digest.js';
import { type Download, download, type Fetch } from './download.js';
import { type Manifest, parseManifest } from './manifest.js';
import { type Joining, SharedTask } from './shared-task.js';
import type { PackedModel } from './source.js';

/** Where a model's files are. */
export interface ModelLocation {
  /** URL of `manifest.json`. */
  readonly manifest: string;
  /** URLs of its files by name, for bundlers that rename them. A file not listed lies beside the manifest. */
  readonly files?: Readonly<Record<string, string>>;
}

/** How far a model's files are here. */
export interface LoadProgress {
  /** Bytes that are here, over all files. Falls back when a file has to be fetched again. */
  readonly loaded: number;
  /** Bytes of all files. */
  readonly total: number;
  /** The file that the latest bytes belong to. */
  readonly file: string;
}

/** What a {@link ModelLoader} works with. */
export interface LoaderOptions {
  /** Default: the platform's. */
  readonly fetch?: Fetch;
  /** Where files are kept. Default: nowhere. */
  readonly cache?: ModelCache;
  /** A server that sends nothing for this long is given up. Default 20,000. */
  readonly patienceMs?: number;
}

interface FileSpec {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A manifest may have this many bytes, name this many files, and these this many bytes. */
const MOST = { manifestBytes: 2 ** 20, files: 16, bytes: 512 * 2 ** 20 } as const;
const PATIENCE_MS = 20_000;
/** How long a server is waited for when the manifest that it had last is here. */
const PATIENCE_WITH_CACHE_MS = 3_000;
/** Pause before a file is asked for a second time. */
const RETRY_MS = 300;

/**
 * Loads models, each once however many callers ask for it, and checks every file against the manifest's sha256.
 *
 * A manifest at a URL may change, so the network is asked first, and the one it had last is taken when there is no
 * answer. Files are known by their sha256: one that is in the cache is not fetched. A file that comes broken is fetched
 * once more, past the browser's HTTP cache. A model that could not be loaded is asked for anew next time.
 */
export class ModelLoader {
  readonly #fetch: Fetch;
  readonly #cache: ModelCache;
  readonly #patienceMs: number;
  readonly #loads = new Map<string, SharedTask<LoadedModel, LoadProgress>>();

  constructor({ fetch, cache, patienceMs }: LoaderOptions = {}) {
    this.#fetch = fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#cache = cache ?? new ModelCache(undefined);
    this.#patienceMs = patienceMs ?? PATIENCE_MS;
  }

  /**
   * @throws UpscaleError `model-unavailable` when a file cannot be fetched, `model-invalid` when it is not what the
   * manifest promises; the signal's reason when that is aborted, which disturbs no other caller
   */
  load(source: ModelLocation | PackedModel, caller: Joining<LoadProgress> = {}): Promise<LoadedModel> {
    // Bytes are known by their manifest: it holds the sha256 of everything.
    const key = 'blobs' in source ? source.text : source.manifest;
    let task = this.#loads.get(key);
    if (!task) {
      const started = new SharedTask<LoadedModel, LoadProgress>(
        (signal, report) => ('blobs' in source ? this.#unpack(source, report) : this.#download(source, signal, report)),
        () => {
          if (this.#loads.get(key) === started) this.#loads.delete(key);
        },
      );
      task = started;
      this.#loads.set(key, task);
    }
    return task.join(caller);
  }

  async #unpack({ text, blobs }: PackedModel, report: (progress: LoadProgress) => void): Promise<LoadedModel> {
    const manifest = parse(text, 'The manifest that was given');
    const specs = filesOf(manifest);
    const count = counter(specs, report);
    const loaded = specs.map(async (spec) => {
      const blob = blobs[spec.name];
      const what = `The file ${spec.name} that was given`;
      if (!blob) throw invalid(`The file ${spec.name}, which the manifest of ${manifest.name} lists, was not given.`);
      if (blob.size !== spec.bytes) throw invalid(`${what} has ${blob.size} bytes; its manifest says ${spec.bytes}.`);
      const data = new Uint8Array(await blob.arrayBuffer());
      if ((await sha256Of(data)) !== spec.sha256) throw invalid(`${what} is not the one that its manifest describes.`);
      count(spec.name, data.length);
      return [spec.name, data] as const;
    });
    return { manifest, files: new Map(await Promise.all(loaded)) };
  }

  async #download(
    { manifest: url, files: urls = {} }: ModelLocation,
    signal: AbortSignal,
    report: (progress: LoadProgress) => void,
  ): Promise<LoadedModel> {
    // What lies on this machine's disk is not kept a second time.
    const cache = url.startsWith('file:') ? new ModelCache(undefined) : this.#cache;
    const { data: text, news } = await this.#manifest(url, cache, signal);
    const manifest = parse(new TextDecoder().decode(text), url);
    const specs = filesOf(manifest);
    const count = counter(specs, report);
    const files = await Promise.all(
      specs.map(async (spec) => {
        const kept = await cache.file(spec.sha256, spec.bytes);
        if (kept) {
          count(spec.name, kept.length);
          return [spec.name, kept] as const;
        }
        const at = urls[spec.name] ?? new URL(spec.name, url).href;
        const data = await this.#file(at, spec, signal, (bytes) => count(spec.name, bytes));
        await cache.keep(spec.sha256, data);
        return [spec.name, data] as const;
      }),
    );
    if (news) await cache.keepManifest(url, text);
    return { manifest, files: new Map(files) };
  }

  /** A manifest, and whether the cache does not have it like that. */
  async #manifest(url: string, cache: ModelCache, signal: AbortSignal): Promise<{ data: Uint8Array; news: boolean }> {
    const kept = await cache.manifest(url, MOST.manifestBytes);
    const get = (mode: Download['cache']): Promise<Uint8Array> =>
      download({
        fetch: this.#fetch,
        url,
        size: { atMost: MOST.manifestBytes },
        signal,
        patienceMs: kept ? Math.min(PATIENCE_WITH_CACHE_MS, this.#patienceMs) : this.#patienceMs,
        cache: mode,
        onBytes: () => undefined,
      });
    if (!kept) return { data: await twice(get, signal), news: true };
    try {
      const data = await get('default');
      return { data, news: data.length !== kept.length || data.some((byte, i) => byte !== kept[i]) };
    } catch (thrown) {
      // A server that says that there is no such model is believed.
      if (signal.aborted || !mayPass(thrown)) throw thrown;
      return { data: kept, news: false };
    }
  }

  #file(url: string, spec: FileSpec, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<Uint8Array> {
    return twice(async (cache) => {
      onBytes(0);
      const size = { exactly: spec.bytes };
      const patienceMs = this.#patienceMs;
      const data = await download({ fetch: this.#fetch, url, size, signal, patienceMs, cache, onBytes });
      if ((await sha256Of(data)) === spec.sha256) return data;
      const advice = 'Upload all files of the model again, together; nothing on the way may change them.';
      throw new UpscaleError(
        'model-invalid',
        `${url} is not the file that its manifest describes: its sha256 differs. ${advice}`,
      );
    }, signal);
  }
}

/** Tries once more, past the HTTP cache, what a second time may mend. */
async function twice<T>(get: (cache: Download['cache']) => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await get('default');
  } catch (thrown) {
    if (signal.aborted || !mayPass(thrown)) throw thrown;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    return get('reload');
  }
}

function mayPass(thrown: unknown): boolean {
  return thrown instanceof UpscaleError && thrown.recoverable;
}

/** Sums the bytes of all files as they come. */
function counter(
  specs: readonly FileSpec[],
  report: (progress: LoadProgress) => void,
): (file: string, bytes: number) => void {
  const total = specs.reduce((sum, { bytes }) => sum + bytes, 0);
  const loaded = new Map<string, number>();
  return (file, bytes) => {
    loaded.set(file, bytes);
    report({ loaded: [...loaded.values()].reduce((sum, count) => sum + count, 0), total, file });
  };
}

/** The manifest in a text; `where` begins the sentence of an error. */
function parse(text: string, where: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const page = /^\s*</.test(text) ? ' but a web page, as servers give for addresses that they do not know' : '';
    throw new UpscaleError('model-invalid', `${where} is not JSON${page}.`, { cause, recoverable: false });
  }
  return parseManifest(json);
}

/** The files a manifest lists, each with a plain name, a size and a digest. */
function filesOf(manifest: Manifest): FileSpec[] {
  const specs = Object.entries(manifest.files).map(([name, file]) => ({
    name,
    bytes: file.bytes,
    sha256: file.sha256,
  }));
  const wrong = specs.find(
    ({ name, bytes, sha256 }) =>
      !/^[\w-][\w.-]*$/.test(name) || !(Number.isInteger(bytes) && bytes > 0) || !/^[0-9a-f]{64}$/.test(sha256),
  );
  if (wrong) {
    throw invalid(`The manifest of ${manifest.name} lists ${wrong.name} without a plain name, size and sha256.`);
  }
  const bytes = specs.reduce((sum, file) => sum + file.bytes, 0);
  if (specs.length > MOST.files || bytes > MOST.bytes) {
    const most = `${MOST.files} files and ${MOST.bytes / 2 ** 20} MiB`;
    throw invalid(`The manifest of ${manifest.name} lists ${specs.length} files of ${bytes} bytes; most is ${most}.`);
  }
  return specs;
}

function invalid(message: string): UpscaleError {
  return new UpscaleError('model-invalid', message, { recoverable: false });
}
