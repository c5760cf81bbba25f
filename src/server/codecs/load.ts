import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { CapableBackend } from './capabilities.js';
import type { CodecOptions } from './limits.js';
import { nodeAvBackend } from './node-av.js';
import { webCodecsBackend } from './webcodecs.js';

/** Libraries that can code, by short names. */
export type CodecLibrary = 'node-av' | 'webcodecs';

/** What each is called in the registry, and how it is installed. */
const PACKAGES: Readonly<Record<CodecLibrary, readonly [name: string, how: string]>> = {
  'node-av': ['node-av', 'npm install node-av'],
  webcodecs: ['@napi-rs/webcodecs', 'npm install @napi-rs/webcodecs@1.3.1'],
};

/**
 * Loads a library that codes video. None is a dependency: whoever serves upscaled video installs one.
 * @param library default `node-av`, the quicker one, with control over keyframes
 * @throws UpscaleError `backend-unavailable`, with a sentence that says what to install; TypeError for other names
 */
export async function loadCodecs(library: CodecLibrary = 'node-av', options?: CodecOptions): Promise<CapableBackend> {
  switch (library) {
    case 'node-av': {
      const [lib, constants] = await Promise.all([
        installed(library, () => import('node-av/lib')),
        installed(library, () => import('node-av/constants')),
      ]);
      return nodeAvBackend({ lib, constants }, options);
    }
    case 'webcodecs': {
      const webCodecs = await installed(library, () => import('@napi-rs/webcodecs'));
      return webCodecsBackend(webCodecs, options);
    }
    default:
      throw new TypeError(`The codec library must be 'node-av' or 'webcodecs', not ${String(library)}.`);
  }
}

/** What to install so that {@link loadCodecs} can do its work, in a sentence; `undefined` when it is there. */
export function missingCodecs(library: CodecLibrary = 'node-av'): string | undefined {
  const [name, how] = PACKAGES[library];
  try {
    import.meta.resolve(name);
    return undefined;
  } catch {
    return notInstalled(name, how);
  }
}

async function installed<T>(library: CodecLibrary, load: () => Promise<T>): Promise<T> {
  const [name, how] = PACKAGES[library];
  try {
    return await load();
  } catch (cause) {
    const missing = (cause as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
    const sentence = missing
      ? notInstalled(name, how)
      : `Video cannot be coded because the package ${name} does not load here (${reasonOf(cause)}): try ${how} again.`;
    throw new UpscaleError('backend-unavailable', sentence, { cause, recoverable: false });
  }
}

function notInstalled(name: string, how: string): string {
  return `Video cannot be coded because the package ${name} is not installed: run ${how}.`;
}
