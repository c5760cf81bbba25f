import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { CapableBackend } from './capabilities.js';
import type { CodecOptions } from './limits.js';
import { nodeAvBackend } from './node-av.js';
import { webCodecsBackend } from './webcodecs.js';

/** Libraries that can code, by short names. */
export type CodecLibrary = 'node-av' | 'webcodecs';

/**
 * Loads a library that codes video. None is a dependency: whoever serves upscaled video installs one.
 * @param library default `node-av`, the quicker one, with control over keyframes
 * @throws UpscaleError `backend-unavailable`, with a sentence that says what to install; TypeError for other names
 */
export async function loadCodecs(library: CodecLibrary = 'node-av', options?: CodecOptions): Promise<CapableBackend> {
  switch (library) {
    case 'node-av': {
      const [lib, constants] = await Promise.all([
        installed('node-av', 'npm install node-av', () => import('node-av/lib')),
        installed('node-av', 'npm install node-av', () => import('node-av/constants')),
      ]);
      return nodeAvBackend({ lib, constants }, options);
    }
    case 'webcodecs': {
      const how = 'npm install @napi-rs/webcodecs@1.3.1';
      const webCodecs = await installed('@napi-rs/webcodecs', how, () => import('@napi-rs/webcodecs'));
      return webCodecsBackend(webCodecs, options);
    }
    default:
      throw new TypeError(`The codec library must be 'node-av' or 'webcodecs', not ${String(library)}.`);
  }
}

async function installed<T>(name: string, how: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const missing = (cause as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
    const sentence = missing
      ? `Video cannot be coded because the package ${name} is not installed: run ${how}.`
      : `Video cannot be coded because the package ${name} does not load here (${reasonOf(cause)}): try ${how} again.`;
    throw new UpscaleError('backend-unavailable', sentence, { cause, recoverable: false });
  }
}
