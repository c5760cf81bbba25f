import type { Store } from './cache.js';

const NAME = 'mana-upscale-models';
/** Requests of the Cache API are URLs; these are fetched by nobody. */
const BASE = 'https://mana-upscale.invalid/';

/**
 * Keeps bytes in the origin's Cache Storage. It works in pages and in workers of every browser and writes an entry whole
 * or not at all, which the origin's private file system leaves to its user; the browser counts it with the origin's other
 * data and clears it with them. Where it is forbidden (no secure context, opaque origins, some private modes) calls reject.
 */
export class WebStore implements Store {
  async get(name: string, most: number): Promise<Uint8Array | undefined> {
    const kept = await (await open()).match(BASE + name);
    return kept && lengthOf(kept) <= most ? new Uint8Array(await kept.arrayBuffer()) : undefined;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': `${bytes.length}` };
    await (await open()).put(BASE + name, new Response(bytes as Uint8Array<ArrayBuffer>, { headers }));
  }

  async delete(name: string): Promise<void> {
    await (await open()).delete(BASE + name);
  }

  async list(): Promise<{ name: string; bytes: number }[]> {
    const cache = await open();
    const entries = (await cache.keys()).map(async (request) => {
      const kept = await cache.match(request);
      return { name: request.url.slice(BASE.length), bytes: kept ? lengthOf(kept) : 0 };
    });
    return Promise.all(entries);
  }
}

/** Opened anew each time: an open cache that is cleared meanwhile would go on without anybody seeing it. */
function open(): Promise<Cache> {
  return caches.open(NAME);
}

function lengthOf(response: Response): number {
  return Number(response.headers.get('Content-Length') ?? Number.POSITIVE_INFINITY);
}
