import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Fetch } from './download.js';

/** `fetch` that also reads `file:` URLs, which Node's does not. A file that is not there answers 404. */
export const fetchOrRead: Fetch = async (url, init) => {
  if (!url.startsWith('file:')) return fetch(url, init);
  const path = fileURLToPath(url);
  const file = await stat(path).catch(() => undefined);
  // A stream that is made with a signal raised already fails before anybody can listen.
  init.signal?.throwIfAborted();
  if (!file?.isFile()) return new Response(null, { status: 404 });
  return new Response(Readable.toWeb(createReadStream(path, { signal: init.signal })) as ReadableStream<Uint8Array>);
};
