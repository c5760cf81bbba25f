import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create, globals } from 'webgpu';
import { findBrowser } from '../../scripts/find-browser.mjs';

/** Kept: adapters and devices do not outlive it. */
let gpu: GPU | undefined;

/** A GPU in Node: Dawn, on the software that Chromium brings along, so that results are the same on every machine. */
export async function nodeAdapter(): Promise<GPUAdapter> {
  Object.assign(globalThis, globals);
  const folders = [dirname(findBrowser('chromium')), '/usr/lib/chromium'];
  const driver = folders.map((folder) => join(folder, 'vk_swiftshader_icd.json')).find((path) => existsSync(path));
  if (driver) process.env['VK_DRIVER_FILES'] = driver;
  gpu ??= create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error('No GPU for Node was found. To get one in software: apt-get install -y chromium');
  return adapter;
}
