import { UpscaleError } from '../frame/errors.js';

/**
 * The sha256 of bytes, as 64 hexadecimal digits.
 * @throws UpscaleError `model-unavailable` where the platform does not compute it: pages that are no secure context
 */
export async function sha256Of(data: Uint8Array): Promise<string> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  if (!subtle) {
    throw new UpscaleError(
      'model-unavailable',
      'Model files cannot be checked in a page that is no secure context. Serve it over https, or from localhost.',
      { recoverable: false },
    );
  }
  const digest = new Uint8Array(await subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
