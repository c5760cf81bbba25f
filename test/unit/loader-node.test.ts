import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadProgress, ModelBytes, ModelSource, PlanarFrame } from 'mana-upscale/node';
import { concat, NEVER, of } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { Manifest } from '../../src/model/manifest.js';
import { Upscaler } from '../../src/pipeline/upscaler.js';
import { fixtureModel } from '../support/fixtures.js';
import { type ModelServer, serveModel } from '../support/model-server.js';
import { wasmEngine } from '../support/models.js';
import { oneByOne, PATIENT } from '../support/one-by-one.js';
import { photoFrame } from '../support/pictures.js';

const NAME = 'mana-nano-x2';
let folder: string;
let node: typeof import('mana-upscale/node');
let server: ModelServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mana-upscale-'));
  vi.stubEnv('MANA_UPSCALE_CACHE', folder);
  node = await import('mana-upscale/node');
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
});

beforeEach(async () => {
  server = await serveModel(NAME);
});

afterEach(async () => {
  await server.stop();
  await node.clearModelCache();
});

/** A few frames through a model, and why it was not used. */
async function upscale(
  model: ModelSource,
  scale = 2,
  count = 3,
  threads = 1,
): Promise<{ out: PlanarFrame[]; reasons: string[] }> {
  const reasons: string[] = [];
  const frames = Array.from({ length: count }, (_, i) => photoFrame(32, 24, i * 3, i, i * 40_000));
  const out = await oneByOne(
    frames,
    node.manaUpscale({
      ...PATIENT,
      model,
      scale,
      threads,
      onEvent: (event) => {
        if (event.type === 'fallback') reasons.push(event.reason);
      },
    }),
  );
  return { out, reasons };
}

it('a stream runs with a model at a URL, and with its bytes, alike', async () => {
  const told: LoadProgress[] = [];
  const bytes: ModelBytes = await node.loadModel(server.url, { onProgress: (progress) => told.push(progress) });
  expect(told.at(-1)?.loaded).toBe(told.at(-1)?.total);
  const { files } = bytes.manifest as Manifest;
  expect((await readdir(folder)).filter((name) => name.startsWith('sha256-'))).toHaveLength(
    Object.keys(files).length + 1,
  );
  const [byUrl, byBytes] = [await upscale(server.url, 2, 1), await upscale(bytes, 2, 1)];
  expect([byUrl.reasons, byBytes.reasons]).toEqual([[], []]);
  expect(byUrl.out[0]?.timestampUs).toBe(0);
  expect(Buffer.compare(byUrl.out[0]!.data, byBytes.out[0]!.data)).toBe(0);
  // Threads keep the manifest for themselves; whatever is large is fetched once.
  expect(server.asked.filter((file) => file !== 'manifest.json').toSorted()).toEqual(Object.keys(files).sort());
  await node.clearModelCache();
  expect(await readdir(folder)).toEqual([]);
});

it('the bytes that loadModel gives are the caller’s own', async () => {
  const { files } = await node.loadModel(server.url);
  (files['golden.bin'] as Uint8Array).fill(0);
  const again = await node.loadModel(server.url);
  const original = await readFile(new URL(`../../models/${NAME}/golden.bin`, import.meta.url));
  expect(Buffer.compare(again.files['golden.bin'] as Uint8Array, original)).toBe(0);
});

it('the network as published runs, at a URL and as bytes', async () => {
  const published = await serveModel('mana-paper', 'test/fixtures');
  const model = await fixtureModel('mana-paper');
  const frame = photoFrame(32, 24);
  const expected: PlanarFrame[] = [];
  const upscaler = await Upscaler.open(wasmEngine(), model, {
    size: { width: 32, height: 24 },
    lookahead: 0,
    emit: (out) => expected.push(out),
  });
  await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
  upscaler.dispose();
  for (const source of [published.url, { manifest: model.manifest, files: Object.fromEntries(model.files) }]) {
    // Graphs that take long run in threads of their own, so that the engine's thread answers meanwhile.
    const { out, reasons } = await upscale(source, 4, 1, 2);
    expect(reasons).toEqual([]);
    expect(out[0]).toMatchObject({ width: 128, height: 96 });
    expect(Buffer.compare(out[0]!.data, expected[0]!.data)).toBe(0);
  }
  await published.stop();
});

it('a stream that is left stops its downloads', async () => {
  server.fault('encode.onnx', 'stalled');
  const stream = concat(of(photoFrame(32, 24)), NEVER).pipe(node.manaUpscale({ model: server.url, lookahead: 0 }));
  const subscription = stream.subscribe();
  await expect.poll(() => server.sent.get('encode.onnx') ?? 0).toBeGreaterThan(0);
  expect(server.open.size).toBeGreaterThan(0);
  subscription.unsubscribe();
  await expect.poll(() => server.open.size).toBe(0);
});

it('a model that is not there is asked for a few times, however many frames come, and told once', async () => {
  server.fault('encode.onnx', 'missing');
  const { out, reasons } = await upscale(server.url);
  expect(out.map(({ width }) => width)).toEqual([64, 64, 64]);
  expect(reasons).toEqual([expect.stringMatching(/encode\.onnx/)]);
  // Tried again after 200 ms, and after 400 ms more.
  expect(server.asked.filter((file) => file === 'encode.onnx').length).toBeLessThanOrEqual(3);
});

it('refuses what is no model with a sentence', async () => {
  await expect(node.loadModel('auto')).rejects.toThrow(/^model must be 'mana-live-x2', .*the URL of a manifest\.json/);
  await expect(node.loadModel('./models/mine/')).rejects.toThrow(TypeError);
});
