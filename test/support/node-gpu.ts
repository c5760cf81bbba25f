import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create, globals } from 'webgpu';
import { findBrowser } from '../../scripts/find-browser.mjs';
import { GpuDevice } from '../../src/engine/webgpu/device.js';

const ICD = 'vk_swiftshader_icd.json';
/** Devices outlive the object they were asked of only where that is not collected: else the process dies. */
const kept: GPU[] = [];

/**
 * A WebGPU device in Node, without a browser: the machine's GPU, or Chromium's software one.
 * @throws where there is neither, with the one command that gets it
 */
export async function nodeGpu(): Promise<GpuDevice> {
  return GpuDevice.request(await nodeAdapter(), (reason) => console.error(reason));
}

/**
 * The adapter of {@link nodeGpu}. Its devices compile at once: while Dawn in Node compiles on other threads, the thread that
 * waits asks again and again, which takes more of the processor than all compiling.
 */
export async function nodeAdapter(): Promise<GPUAdapter> {
  const adapter = (await requestAdapter()) ?? (await softwareAdapter());
  const request = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await request(descriptor);
    device.createComputePipelineAsync = async (pipeline) => device.createComputePipeline(pipeline);
    return device;
  };
  return adapter;
}

/** A device that compiles and checks what it is given, for every feature of WebGPU, and runs nothing. */
export async function checkingDevice(requiredFeatures: GPUFeatureName[]): Promise<GPUDevice> {
  const adapter = await requestAdapter('backend=null');
  if (!adapter) throw new Error("Dawn's null backend is missing from the package `webgpu`.");
  return adapter.requestDevice({ requiredFeatures });
}

function requestAdapter(...options: string[]): Promise<GPUAdapter | null> {
  Object.assign(globalThis, globals);
  const gpu = create(options);
  kept.push(gpu);
  return gpu.requestAdapter();
}

async function softwareAdapter(): Promise<GPUAdapter> {
  const browser = findBrowser('chromium');
  const folders = [dirname(browser), dirname(realpathSync(browser)), '/usr/lib/chromium', '/opt/google/chrome'];
  const icd = folders.map((folder) => join(folder, ICD)).find(existsSync);
  const get = 'apt-get install chromium, or set VK_DRIVER_FILES to the vk_swiftshader_icd.json of one';
  if (!icd) throw new Error(`Chromium's software Vulkan was not found beside ${browser}. To get it: ${get}.`);
  process.env['VK_DRIVER_FILES'] = icd;
  const adapter = await requestAdapter();
  if (!adapter) throw new Error(`No WebGPU adapter in Node, not even with ${icd}. To get one: ${get}.`);
  return adapter;
}
