import type { AdapterIdentity } from '../../src/engine/native/tunings.js';

/** Features that make a difference to one of the two engines. */
const FEATURES = ['shader-f16', 'timestamp-query', 'subgroups'] as const;

/** The browser's adapter, which can be asked for again and again: one answer gives one device only. */
export interface Adapter {
  readonly identity: AdapterIdentity;
  /** For people. */
  readonly name: string;
  /** Of those that matter here, the ones it has and the ones it lacks. */
  readonly features: { readonly has: readonly string[]; readonly lacks: readonly string[] };
  readonly limits: GPUSupportedLimits;
  /** Software, or of the compatibility level. */
  readonly remark: string;
  request(): Promise<GPUAdapter>;
}

/** Levels of WebGPU, the first one found counts. A browser may have different adapters for them. */
export const LEVELS = ['core', 'compatibility'] as const;

/**
 * Finds the adapter that a stream would get, or one of the compatibility level where there is no other.
 * @param levels that are asked for
 * @throws Error with a sentence for the visitor
 */
export async function findAdapter(levels: readonly string[] = LEVELS): Promise<Adapter> {
  const { gpu } = navigator;
  if (!gpu) {
    throw new Error(
      isSecureContext
        ? 'This browser has no WebGPU. A current Chrome, Edge, Safari or Firefox has.'
        : 'WebGPU is for secure pages only: open this one from https or from localhost.',
    );
  }
  for (const featureLevel of levels) {
    const request = () => gpu.requestAdapter({ powerPreference: 'high-performance', featureLevel });
    const adapter = await request();
    if (!adapter) continue;
    const { vendor, architecture, device, description } = adapter.info;
    const has = FEATURES.filter((feature) => adapter.features.has(feature));
    const lacks = FEATURES.filter((feature) => !adapter.features.has(feature));
    const software = adapter.info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${architecture} ${description}`);
    return {
      identity: { vendor, architecture, device, description },
      name: description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unnamed adapter',
      features: { has, lacks },
      limits: adapter.limits,
      remark: [software ? 'software' : '', featureLevel === 'core' ? '' : 'compatibility level']
        .filter(Boolean)
        .join(', '),
      request: async () => {
        const again = await request();
        if (!again) throw new Error('The browser gives no adapter any more. Reloading the page may help.');
        return again;
      },
    };
  }
  throw new Error('This browser has WebGPU, but no adapter for it: it may know no driver for this GPU that it trusts.');
}
