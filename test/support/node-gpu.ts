import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create, globals } from 'webgpu';
import { findBrowser } from '../../scripts/find-browser.mjs';
import { GpuDevice } from '../../src/engine/webgpu/device.js';

const ICD = 'vk_swiftshader_icd.json';

/**
 * A WebGPU device in Node, without a browser: the machine's GPU, or Chromium's software one.
 * @throws where there is neither, with the one command that gets it
 */
export async function nodeGpu(): Promise<GpuDevice> {
  Object.assign(globalThis, globals);
  const adapter = (await create([]).requestAdapter()) ?? (await softwareAdapter());
  return GpuDevice.request(adapter, (reason) => console.error(reason));
}

async function softwareAdapter(): Promise<GPUAdapter> {
  const browser = findBrowser('chromium');
  const folders = [dirname(browser), dirname(realpathSync(browser)), '/usr/lib/chromium', '/opt/google/chrome'];
  const icd = folders.map((folder) => join(folder, ICD)).find(existsSync);
  const get = 'apt-get install chromium, or set VK_DRIVER_FILES to the vk_swiftshader_icd.json of one';
  if (!icd) throw new Error(`Chromium's software Vulkan was not found beside ${browser}. To get it: ${get}.`);
  process.env['VK_DRIVER_FILES'] = icd;
  const adapter = await create([]).requestAdapter();
  if (!adapter) throw new Error(`No WebGPU adapter in Node, not even with ${icd}. To get one: ${get}.`);
  return adapter;
}
