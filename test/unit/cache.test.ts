import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ModelCache } from '../../src/model/cache.js';
import { sha256Of } from '../../src/model/digest.js';
import { cacheFolder, FileStore } from '../../src/model/file-store.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mana-upscale-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

/** Keeps bytes and makes their file look as if it had been used at a time. */
async function keep(cache: ModelCache, data: Uint8Array, second: number): Promise<string> {
  const sha256 = await sha256Of(data);
  await cache.keep(sha256, data);
  await utimes(join(folder, `sha256-${sha256}`), second, second);
  return sha256;
}

describe('ModelCache on a folder', () => {
  it('gives back what it keeps, and nothing that is longer than was promised', async () => {
    const cache = new ModelCache(new FileStore(join(folder, 'made', 'when', 'needed')));
    const data = bytes(1000, 1);
    const sha256 = await sha256Of(data);
    expect(await cache.file(sha256, 1000)).toBeUndefined();
    await cache.keep(sha256, data);
    expect(Buffer.compare((await cache.file(sha256, 1000)) as Uint8Array, data)).toBe(0);
    expect(await cache.file(sha256, 999)).toBeUndefined();
  });

  it('drops a file that was altered', async () => {
    const cache = new ModelCache(new FileStore(folder));
    const sha256 = await keep(cache, bytes(1000, 1), 1);
    await writeFile(join(folder, `sha256-${sha256}`), bytes(1000, 2));
    expect(await cache.file(sha256, 1000)).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps a URL’s manifest, and none when its pointer or its text was altered', async () => {
    const cache = new ModelCache(new FileStore(folder));
    const text = new TextEncoder().encode('{"name":"a"}');
    await cache.keepManifest('https://example.com/manifest.json', text);
    expect(await cache.manifest('https://example.com/other.json', 100)).toBeUndefined();
    expect(await cache.manifest('https://example.com/manifest.json', 100)).toEqual(Buffer.from(text));
    const pointer = (await readdir(folder)).find((name) => name.startsWith('url-')) as string;
    const saved = await readFile(join(folder, pointer));
    await writeFile(join(folder, pointer), '../../etc/passwd');
    expect(await cache.manifest('https://example.com/manifest.json', 100)).toBeUndefined();
    await writeFile(join(folder, pointer), saved);
    await writeFile(join(folder, `sha256-${saved}`), '{"name":"b"}');
    expect(await cache.manifest('https://example.com/manifest.json', 100)).toBeUndefined();
  });

  it('never holds more than its bound; what was used longest ago goes first', async () => {
    const cache = new ModelCache(new FileStore(folder), 2500);
    const [first, second] = [await keep(cache, bytes(1000, 1), 10), await keep(cache, bytes(1000, 2), 20)];
    // Using it makes it the newest.
    await cache.file(first, 1000);
    const third = await keep(cache, bytes(1000, 3), 30);
    expect(await cache.file(second, 1000)).toBeUndefined();
    for (const sha256 of [first, third]) expect(await cache.file(sha256, 1000)).toBeDefined();
    await cache.keep(await sha256Of(bytes(2501, 4)), bytes(2501, 4));
    expect(await readdir(folder)).toHaveLength(2);
  });

  it('is cleared without touching anything else in the folder', async () => {
    const cache = new ModelCache(new FileStore(folder));
    await keep(cache, bytes(10, 1), 1);
    await cache.keepManifest('https://example.com/manifest.json', bytes(10, 2));
    await writeFile(join(folder, 'diary.txt'), 'mine');
    await cache.clear();
    expect(await readdir(folder)).toEqual(['diary.txt']);
  });

  it('leaves whole files only when many write the same at once', async () => {
    const data = bytes(2 ** 20, 9);
    const sha256 = await sha256Of(data);
    const seen: (number | undefined)[] = [];
    const caches = Array.from({ length: 8 }, () => new ModelCache(new FileStore(folder)));
    await Promise.all(
      caches.map(async (cache) => {
        await cache.keep(sha256, data);
        seen.push((await cache.file(sha256, data.length))?.length);
      }),
    );
    expect(seen).toEqual(caches.map(() => data.length));
    expect(await readdir(folder)).toEqual([`sha256-${sha256}`]);
  });
});

it.each<[string, Parameters<typeof cacheFolder>[0], string | undefined]>([
  ['Linux', { platform: 'linux', home: '/home/a', env: {} }, '/home/a/.cache/mana-upscale'],
  ['XDG', { platform: 'linux', home: '/home/a', env: { XDG_CACHE_HOME: '/var/c' } }, '/var/c/mana-upscale'],
  ['macOS', { platform: 'darwin', home: '/Users/a', env: {} }, '/Users/a/Library/Caches/mana-upscale'],
  ['Windows', { platform: 'win32', home: '/u', env: { LOCALAPPDATA: '/u/Local' } }, '/u/Local/mana-upscale'],
  ['its own variable', { platform: 'linux', home: '/home/a', env: { MANA_UPSCALE_CACHE: '/models' } }, '/models'],
  ['nowhere, by choice', { platform: 'linux', home: '/home/a', env: { MANA_UPSCALE_CACHE: '' } }, undefined],
  ['nowhere, without a home', { platform: 'linux', home: undefined, env: {} }, undefined],
])('the cache folder on %s', (_name, surroundings, folder) => {
  expect(cacheFolder(surroundings)).toBe(folder);
});
