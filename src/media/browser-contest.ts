import type { Contest } from '../live/faster.js';
import { probeMs } from '../live/probe.js';
import type { StreamSettings } from '../live/protocol.js';
import type { Store } from '../model/cache.js';
import { sha256Of } from '../model/digest.js';
import type { ModelLocation } from '../model/loader.js';
import type { PackedModel } from '../model/source.js';
import type { WorkerAssets } from './browser-platform.js';

/** Raised when our kernels or ONNX Runtime change so much that what was measured does not hold any more. */
const GENERATION = 1;
/** Under this name stands the URL of the ONNX Runtime that has started on WebGPU here. */
const ORT_HERE = 'probe-ort';
const MOST_URL_BYTES = 2048;

/**
 * What a browser knows for a {@link Contest}. A machine is its adapter and the browser's version: kernels are as fast as
 * its compilers make them.
 */
export function browserContest(
  assets: WorkerAssets,
  store: Store,
  locate: (settings: StreamSettings) => ModelLocation | PackedModel,
): Contest<VideoFrame> {
  return {
    store,
    name: async (settings) => {
      const adapter = await adapterHere();
      if (!adapter || isSoftware(adapter)) return undefined;
      const { vendor, architecture, device, description } = adapter.info;
      const source = locate(settings);
      const model = 'blobs' in source ? source.text : source.manifest;
      const what = [GENERATION, vendor, architecture, device, description, navigator.userAgent, model];
      return `probe-${await sha256Of(new TextEncoder().encode(JSON.stringify(what)))}`;
    },
    atHand: async () => {
      const kept = await store.get(ORT_HERE, MOST_URL_BYTES);
      const { wasm } = assets.ort.webgpu;
      // Only what has run here is asked for: browsers write a cache that lacks a file to the console as an error.
      return kept !== undefined && new TextDecoder().decode(kept) === wasm && (await isCached(wasm));
    },
    probe: (verified) => probeMs(verified, picture, () => performance.now()),
  };
}

/** Notes that ONNX Runtime's WebGPU build is on this machine. */
export async function noteOrt(assets: WorkerAssets, store: Store): Promise<void> {
  const url = new TextEncoder().encode(assets.ort.webgpu.wasm);
  // Where nothing can be kept nothing is compared.
  await store.put(ORT_HERE, url).catch(() => undefined);
}

/** The GPU that engines run on. */
export async function adapterHere(): Promise<GPUAdapter | undefined> {
  const gpu = (navigator as Navigator & { gpu?: GPU }).gpu;
  return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? undefined;
}

/** Whether an adapter is none but the processor. */
export function isSoftware(adapter: GPUAdapter): boolean {
  const { architecture, description, isFallbackAdapter } = adapter.info as GPUAdapterInfo & {
    isFallbackAdapter?: boolean;
  };
  return isFallbackAdapter === true || /swiftshader|llvmpipe|software/i.test(`${architecture} ${description}`);
}

/** Whether the browser has a file of this origin. */
async function isCached(url: string): Promise<boolean> {
  try {
    const kept = await fetch(url, { cache: 'only-if-cached', mode: 'same-origin' });
    await kept.body?.cancel();
    return kept.ok;
  } catch {
    return false;
  }
}

function picture({ width, height }: { width: number; height: number }): VideoFrame {
  const pixels = Uint8Array.from({ length: width * height * 4 }, (_, i) => (i * 7919) >> 4);
  return new VideoFrame(pixels, { format: 'RGBX', codedWidth: width, codedHeight: height, timestamp: 0 });
}
