import { readFile } from 'node:fs/promises';
import type { LoadedModel } from '../../src/engine/engine.js';
import { parseManifest } from '../../src/model/manifest.js';

/** A model of `test/fixtures`. */
export async function fixtureModel(name: string): Promise<LoadedModel> {
  const folder = new URL(`../fixtures/${name}/`, import.meta.url);
  const manifest = parseManifest(JSON.parse(await readFile(new URL('manifest.json', folder), 'utf8')));
  const files = Object.keys(manifest.files).map(
    async (file) => [file, new Uint8Array(await readFile(new URL(file, folder)))] as const,
  );
  return { manifest, files: new Map(await Promise.all(files)) };
}
