import {
  clearModelCache,
  type LoadProgress,
  loadModel,
  type ModelBytes,
  type ModelSource,
  type UpscaledTrack,
  upscaleTrack,
} from '/dist/index.js';
import type { Manifest } from '../../src/model/manifest.js';
import { bytesOf, eachFrame, panTrack, psnr, sleep, until, view } from './sources.js';

/** A budget that a slow test machine keeps. */
const PATIENT = { backend: 'wasm', budgetMs: 20_000, minFrameRate: 0 } as const;

/** What became of a stream. */
export interface Outcome {
  readonly model: string | null;
  /** What made its last frames. */
  readonly level: string;
  readonly reasons: string[];
  readonly loading: LoadProgress[];
  /** Quality of the last frame that was looked at, in dB. */
  readonly psnr: number;
}

/** Streams with a model until the network makes the picture, or until `enough` says so. */
async function streamed(
  model: ModelSource,
  enough: (upscaled: UpscaledTrack, reasons: readonly string[]) => boolean = (upscaled) =>
    upscaled.stats().level === 'full',
): Promise<Outcome> {
  const { track } = panTrack(2000, 40, () => [80, 48, 2]);
  const upscaled = await upscaleTrack(track, { ...PATIENT, model });
  const reasons: string[] = [];
  const loading: LoadProgress[] = [];
  upscaled.addEventListener('fallback', ({ detail }) => reasons.push(detail.reason));
  upscaled.addEventListener('loading', ({ detail }) => loading.push(detail));
  await until('the stream’s outcome', () => enough(upscaled, reasons));
  let seen = 0;
  let quality = 0;
  await eachFrame(upscaled.track, async (frame) => {
    const index = Math.round(frame.timestamp / 40_000);
    quality = psnr(await bytesOf(frame), (await view(index, 160, 96, 1)).data);
    return ++seen < 8;
  });
  const { model: name, level } = upscaled.stats();
  upscaled.dispose();
  track.stop();
  return { model: name, level, reasons, loading, psnr: quality };
}

/** A stream with the model at a URL, until the network makes the picture. */
export function fromUrl(url: string): Promise<Outcome> {
  return streamed(url);
}

/** A stream whose model cannot be had, looked at `ms` after the reason was told. */
export function refused(url: string, ms: number): Promise<Outcome> {
  let toldMs: number | undefined;
  return streamed(url, (_upscaled, reasons) => {
    if (reasons.length > 0) toldMs ??= performance.now();
    return toldMs !== undefined && performance.now() - toldMs > ms;
  });
}

/** A stream with a model in memory, its files in every form that may be given. */
export async function fromBytes(url: string): Promise<Outcome> {
  const get = (name: string): Promise<Response> => fetch(new URL(name, url));
  const manifest = (await (await get('manifest.json')).json()) as Manifest;
  const forms = [
    async (name: string) => new Uint8Array(await (await get(name)).arrayBuffer()),
    async (name: string) => (await get(name)).blob(),
    async (name: string) => (await get(name)).arrayBuffer(),
  ] as const;
  const names = Object.keys(manifest.files);
  const files = names.map(async (name, i) => [name, await forms[i % 3]?.(name)] as const);
  return streamed({ manifest, files: Object.fromEntries(await Promise.all(files)) as ModelBytes['files'] });
}

/** A model is loaded ahead, and a stream runs with what came. */
export async function ahead(url: string): Promise<{ told: LoadProgress[]; outcome: Outcome }> {
  const told: LoadProgress[] = [];
  const model = await loadModel(url, { onProgress: (progress) => told.push(progress) });
  return { told, outcome: await streamed(model) };
}

/** How a load ends that is aborted after its first bytes. */
export function abortedLoad(url: string): Promise<string> {
  const abort = new AbortController();
  const onProgress = ({ loaded }: LoadProgress): void => {
    if (loaded > 0) abort.abort('enough');
  };
  return loadModel(url, { signal: abort.signal, onProgress }).then(() => 'loaded', String);
}

/** A stream that is ended while its model is on the way. */
export async function endedWhileLoading(url: string): Promise<void> {
  const { track } = panTrack(2000, 40, () => [80, 48, 2]);
  const upscaled = await upscaleTrack(track, { ...PATIENT, model: url });
  await new Promise((resolve) => upscaled.addEventListener('loading', resolve, { once: true }));
  // Another stream keeps the workers alive, so that it is not their end that ends the downloads.
  const other = await upscaleTrack(track, { ...PATIENT, model: 'mana-nano-x2' });
  upscaled.dispose();
  await sleep(500);
  Object.assign(globalThis, { other });
}

/** Whether a model can be loaded once more; without Cache Storage on request. */
export async function loadAgain(url: string, caching: boolean): Promise<string> {
  if (!caching) Object.defineProperty(globalThis, 'caches', { value: undefined });
  return loadModel(url).then(() => 'loaded', String);
}

/** Alters a byte of every file in the cache, as a disk may; tells how many there were. */
export async function alterCache(): Promise<number> {
  let altered = 0;
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      if (!request.url.includes('sha256-')) continue;
      const kept = (await cache.match(request)) as Response;
      const bytes = new Uint8Array(await kept.arrayBuffer());
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
      await cache.put(request, new Response(bytes, { headers: kept.headers }));
      altered++;
    }
  }
  return altered;
}

/** Clears the cache; tells how many entries are left in all caches. */
export async function cleared(): Promise<number> {
  await clearModelCache();
  const counts = (await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).length);
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}
