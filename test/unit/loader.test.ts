import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UpscaleError } from '../../src/frame/errors.js';
import { ModelCache } from '../../src/model/cache.js';
import { fetchOrRead } from '../../src/model/file-fetch.js';
import { FileStore } from '../../src/model/file-store.js';
import { type LoaderOptions, type LoadProgress, ModelLoader } from '../../src/model/loader.js';
import type { Manifest } from '../../src/model/manifest.js';
import { checkModel, type PackedModel } from '../../src/model/source.js';
import { type Fault, type ModelServer, serveModel } from '../support/model-server.js';

const NAME = 'mana-nano-x2';
const original = (file: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../models/${NAME}/${file}`, import.meta.url)));
const manifest = JSON.parse(new TextDecoder().decode(original('manifest.json'))) as Manifest;
const FILES = Object.keys(manifest.files);
const TOTAL = Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0);

let server: ModelServer;
let folder: string;
let location: { manifest: string };

beforeEach(async () => {
  server = await serveModel(NAME);
  folder = await mkdtemp(join(tmpdir(), 'mana-upscale-'));
  location = { manifest: `${server.url}manifest.json` };
});

afterEach(async () => {
  await server.stop();
  // A file that was whole when another one failed may still be on its way into the folder.
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
});

/** A loader of a new process that shares the cache folder. */
function newLoader(options: LoaderOptions = {}): ModelLoader {
  return new ModelLoader({ cache: new ModelCache(new FileStore(folder)), patienceMs: 400, ...options });
}

async function failure(promise: Promise<unknown>): Promise<UpscaleError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(UpscaleError);
  return thrown as UpscaleError;
}

describe('a model at a URL', () => {
  it('is loaded whole, with rising progress up to the sum of its files', async () => {
    for (const file of FILES) server.fault(file, 'slow');
    const told: LoadProgress[] = [];
    const model = await newLoader().load(location, { onProgress: (progress) => told.push(progress) });
    expect([...model.files.keys()].sort()).toEqual([...FILES].sort());
    for (const file of FILES) expect(Buffer.compare(model.files.get(file) as Uint8Array, original(file))).toBe(0);
    expect(told.length).toBeGreaterThan(20);
    expect(told.every(({ total }) => total === TOTAL)).toBe(true);
    expect(told.at(-1)?.loaded).toBe(TOTAL);
    expect(told.map(({ loaded }) => loaded)).toEqual(told.map(({ loaded }) => loaded).toSorted((a, b) => a - b));
    expect([...new Set(told.map(({ file }) => file))].sort()).toEqual([...FILES].sort());
  });

  it('is loaded once for callers at the same time, and not again for later ones', async () => {
    const loader = newLoader();
    const models = await Promise.all([loader.load(location), loader.load(location)]);
    expect(models[0]).toBe(models[1]);
    expect(await loader.load(location)).toBe(models[0]);
    expect(server.asked.toSorted()).toEqual(['manifest.json', ...FILES].sort());
  });

  it('may be a file: URL, which is not kept a second time', async () => {
    const manifestUrl = pathToFileURL(`models/${NAME}/manifest.json`).href;
    const model = await newLoader({ fetch: fetchOrRead }).load({ manifest: manifestUrl });
    expect(model.manifest.name).toBe(NAME);
    expect(await readdir(folder)).toEqual([]);
    const lacking = await failure(
      newLoader({ fetch: fetchOrRead }).load({ manifest: 'file:///nowhere/manifest.json' }),
    );
    expect(lacking).toMatchObject({ code: 'model-unavailable', recoverable: false });
  });

  it('a file that is not wanted any more is not read, and nothing fails where nobody listens', async () => {
    const leaving = new AbortController();
    const reading = fetchOrRead(pathToFileURL(`models/${NAME}/manifest.json`).href, {
      signal: leaving.signal,
      cache: 'default',
    });
    leaving.abort();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('a broken model is refused with the URL and what to do', () => {
  it.each<[Fault, string, RegExp, boolean, number]>([
    ['missing', 'model-unavailable', /answered 404\. Is the URL right/, false, 1],
    ['failing', 'model-unavailable', /answered 503\. It is asked again later/, true, 2],
    ['broken-off', 'model-unavailable', /broke off after \d+ bytes: .*\. Is the server reachable/, true, 2],
    ['short', 'model-invalid', /ends after \d+ of \d+ bytes\. Upload all files/, true, 2],
    ['altered', 'model-invalid', /is not the file that its manifest describes.*Upload all files/, true, 2],
    ['endless', 'model-invalid', /is longer than the \d+ bytes that its manifest promises/, true, 2],
    ['silent', 'model-unavailable', /sent nothing for 0\.4 seconds\./, true, 2],
    ['stalled', 'model-unavailable', /sent nothing for 0\.4 seconds after \d+ bytes/, true, 2],
  ])('%s: %s', async (fault, code, message, recoverable, times) => {
    server.fault('fuse.onnx', fault);
    const error = await failure(newLoader().load(location));
    expect(error).toMatchObject({ code, recoverable });
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`${server.url}fuse.onnx`);
    expect(server.asked.filter((file) => file === 'fuse.onnx')).toHaveLength(times);
    await expect.poll(() => server.open.size).toBe(0);
  });

  it.each<Fault>(['failing', 'broken-off', 'short', 'altered', 'stalled'])(
    'a file that is %s once is fetched a second time, and the model is whole',
    async (fault) => {
      server.fault('encode.onnx', fault, 1);
      const told: LoadProgress[] = [];
      const model = await newLoader().load(location, { onProgress: (progress) => told.push(progress) });
      expect(Buffer.compare(model.files.get('encode.onnx') as Uint8Array, original('encode.onnx'))).toBe(0);
      expect(told.at(-1)?.loaded).toBe(TOTAL);
    },
  );

  it('an endless file is left soon after the promised bytes', async () => {
    server.fault('fuse.onnx', 'endless');
    await failure(newLoader().load(location));
    // Twice, with what sockets hold.
    expect(server.sent.get('fuse.onnx')).toBeLessThan(2 * (manifest.files['fuse.onnx']?.bytes ?? 0) + 16 * 2 ** 20);
  });

  it('a manifest is bounded, must be JSON, and names plain files of known size', async () => {
    const manifestIs = async (text: string): Promise<UpscaleError> => {
      server.replace('manifest.json', new TextEncoder().encode(text));
      return failure(newLoader().load(location));
    };
    server.fault('manifest.json', 'page', 1);
    expect(await failure(newLoader().load(location))).toMatchObject({
      code: 'model-invalid',
      message: expect.stringMatching(/manifest\.json is not JSON but a web page/),
    });
    expect((await manifestIs(' '.repeat(2 ** 20 + 1))).message).toMatch(/is longer than the 1048576 bytes/);
    expect((await manifestIs('{')).message).toMatch(/manifest\.json is not JSON\./);
    const listing = (files: object): Promise<UpscaleError> =>
      manifestIs(JSON.stringify({ ...manifest, files: { ...manifest.files, ...files } }));
    const file = { bytes: 1, sha256: '0'.repeat(64) };
    expect((await listing({ '../secret': file })).message).toMatch(/lists \.\.\/secret without a plain name/);
    expect((await listing({ more: { ...file, sha256: 'abc' } })).message).toMatch(/lists more without/);
    expect((await listing({ more: { ...file, bytes: 2 ** 40 } })).message).toMatch(/most is 16 files and 512 MiB/);
    // None of their files was asked for.
    expect(new Set(server.asked)).toEqual(new Set(['manifest.json']));
  });

  it('can be loaded as soon as it is mended', async () => {
    const loader = newLoader({ patienceMs: 3_600_000 });
    server.fault('golden.bin', 'missing', 1);
    await failure(loader.load(location));
    expect((await loader.load(location)).manifest.name).toBe(NAME);
  });
});

describe('an aborted caller', () => {
  it('is rejected with its reason, before any patience is over; the download stops and nothing of it is kept', async () => {
    for (const file of FILES) server.fault(file, 'stalled');
    const abort = new AbortController();
    const loading = newLoader({ patienceMs: 3_600_000 }).load(location, { signal: abort.signal });
    loading.catch(() => undefined);
    await expect.poll(() => server.open.size).toBe(FILES.length);
    const reason = new Error('changed my mind');
    abort.abort(reason);
    await expect(loading).rejects.toBe(reason);
    await expect.poll(() => server.open.size).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('does not disturb another caller of the same model', async () => {
    for (const file of FILES) server.fault(file, 'slow');
    const loader = newLoader();
    const abort = new AbortController();
    const leaving = loader.load(location, { signal: abort.signal, onProgress: () => abort.abort() });
    const staying = loader.load(location);
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' });
    expect((await staying).manifest.name).toBe(NAME);
    expect(server.asked.filter((file) => file === 'fuse.onnx')).toHaveLength(1);
  });

  it('may share its options with another call', async () => {
    for (const file of FILES) server.fault(file, 'slow');
    const loader = newLoader();
    const options = { onProgress: () => undefined };
    const abort = new AbortController();
    const staying = [loader.load(location, options), loader.load(location, options)];
    const leaving = loader.load(location, { ...options, signal: abort.signal });
    abort.abort();
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' });
    for (const load of staying) expect((await load).manifest.name).toBe(NAME);
  });

  it('that was the only one leaves the way free for a new download', async () => {
    server.fault('fuse.onnx', 'stalled', 1);
    const loader = newLoader({ patienceMs: 60_000 });
    const abort = new AbortController();
    const leaving = loader.load(location, { signal: abort.signal });
    await expect.poll(() => server.asked.includes('fuse.onnx')).toBe(true);
    abort.abort();
    const coming = loader.load(location);
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' });
    expect((await coming).manifest.name).toBe(NAME);
  });

  it('asks for nothing when its signal was aborted before', async () => {
    await expect(newLoader().load(location, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    expect(server.asked).toEqual([]);
  });
});

describe('with a cache', () => {
  it('the second process asks for the manifest only, and for nothing when the server is gone', async () => {
    await newLoader().load(location);
    server.asked.length = 0;
    const told: LoadProgress[] = [];
    await newLoader().load(location, { onProgress: (progress) => told.push(progress) });
    expect(server.asked).toEqual(['manifest.json']);
    expect(told.at(-1)).toMatchObject({ loaded: TOTAL, total: TOTAL });
    await server.stop();
    const model = await newLoader().load(location);
    for (const file of FILES) expect(Buffer.compare(model.files.get(file) as Uint8Array, original(file))).toBe(0);
  });

  it.each<[Fault, boolean]>([
    ['failing', true],
    ['silent', true],
    ['missing', false],
    ['page', false],
  ])('a server whose manifest is %s: the one it had last is taken: %s', async (fault, taken) => {
    await newLoader().load(location);
    server.fault('manifest.json', fault);
    const again = newLoader().load(location);
    if (taken) expect((await again).manifest.name).toBe(NAME);
    else await failure(again);
  });

  it('a manifest that changed is followed', async () => {
    await newLoader().load(location);
    server.replace('manifest.json', new TextEncoder().encode(JSON.stringify({ ...manifest, name: 'better' })));
    expect((await newLoader().load(location)).manifest.name).toBe('better');
    await server.stop();
    expect((await newLoader().load(location)).manifest.name).toBe('better');
  });

  it('a cached file that was altered is fetched again, and mended', async () => {
    await newLoader().load(location);
    const name = `sha256-${manifest.files['fuse.onnx']?.sha256}`;
    const path = join(folder, name);
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(7, 100, 110));
    server.asked.length = 0;
    const model = await newLoader().load(location);
    expect(Buffer.compare(model.files.get('fuse.onnx') as Uint8Array, original('fuse.onnx'))).toBe(0);
    expect(server.asked).toEqual(['manifest.json', 'fuse.onnx']);
    expect(Buffer.compare(await readFile(path), original('fuse.onnx'))).toBe(0);
  });

  it('what came whole before the caller left is not fetched again, the rest is', async () => {
    server.fault('fuse.onnx', 'stalled', 1);
    const abort = new AbortController();
    const loading = newLoader({ patienceMs: 60_000 }).load(location, { signal: abort.signal });
    loading.catch(() => undefined);
    await expect
      .poll(async () => (await readdir(folder)).filter((name) => !name.endsWith('.part')))
      .toHaveLength(FILES.length - 1);
    abort.abort();
    server.asked.length = 0;
    await newLoader().load(location);
    expect(server.asked).toEqual(['manifest.json', 'fuse.onnx']);
  });

  it('that cannot be written or read, loading goes on without', async () => {
    const cache = new ModelCache(new FileStore('/dev/null/nowhere'));
    expect((await newLoader({ cache }).load(location)).manifest.name).toBe(NAME);
  });
});

describe('a model given as bytes', () => {
  const bytes = (change: Record<string, Uint8Array | undefined> = {}): PackedModel => {
    const files = { ...Object.fromEntries(FILES.map((file) => [file, original(file)])), ...change };
    for (const [file, data] of Object.entries(files)) if (!data) delete files[file];
    return checkModel({ manifest, files }, 'model') as PackedModel;
  };

  it('is checked as one that is fetched', async () => {
    const model = await newLoader().load(bytes());
    for (const file of FILES) expect(Buffer.compare(model.files.get(file) as Uint8Array, original(file))).toBe(0);
    const loader = newLoader();
    expect(await loader.load(bytes())).toBe(await loader.load(bytes()));
    expect(server.asked).toEqual([]);
  });

  it.each<[string, Record<string, Uint8Array | undefined>, RegExp]>([
    ['lacking', { 'fuse.onnx': undefined }, /^The file fuse\.onnx, which the manifest of .* lists, was not given\.$/],
    ['short', { 'fuse.onnx': original('fuse.onnx').subarray(1) }, /^The file fuse\.onnx that was given has \d+ bytes;/],
    ['altered', { 'fuse.onnx': original('fuse.onnx').fill(0, 0, 9) }, /is not the one that its manifest describes/],
  ])('is refused when a file is %s', async (_what, change, message) => {
    const error = await failure(newLoader().load(bytes(change)));
    expect(error).toMatchObject({ code: 'model-invalid', recoverable: false });
    expect(error.message).toMatch(message);
  });
});
