import { reasonOf, UpscaleError } from '../frame/errors.js';

/** `fetch`, or what stands in for it. The signal ends the answer's body too. */
export type Fetch = (url: string, init: { signal: AbortSignal; cache: RequestCache }) => Promise<Response>;

/** What to download, and how. */
export interface Download {
  readonly fetch: Fetch;
  readonly url: string;
  /** Bytes the answer must have, or may have at most: nothing beyond them is read. */
  readonly size: { readonly exactly: number } | { readonly atMost: number };
  readonly signal: AbortSignal;
  /** The download is given up when nothing comes for this long. */
  readonly patienceMs: number;
  /** `reload` goes past the browser's HTTP cache. */
  readonly cache: 'default' | 'reload';
  /** Told how many bytes there are. */
  readonly onBytes: (bytes: number) => void;
}

/** Answers that may be others a moment later. */
const PASSING = [408, 425, 429];

/**
 * Downloads one file.
 * @throws UpscaleError `model-unavailable` when the server does not give it, `model-invalid` when it has another length;
 * the signal's reason when that is aborted
 */
export async function download(task: Download): Promise<Uint8Array> {
  const { url, signal } = task;
  signal.throwIfAborted();
  const ending = new AbortController();
  const abort = (): void => ending.abort(signal.reason);
  signal.addEventListener('abort', abort);
  let bytes = 0;
  const timer = new Patience(task.patienceMs, () => ending.abort(gaveUp(task, bytes)));
  try {
    const response = await task.fetch(url, { signal: ending.signal, cache: task.cache });
    timer.renew();
    if (!response.ok) throw refused(url, response.status);
    return await read(response, task, (count) => {
      bytes = count;
      timer.renew();
      task.onBytes(count);
    });
  } catch (thrown) {
    if (ending.signal.aborted) throw ending.signal.reason;
    if (thrown instanceof UpscaleError) throw thrown;
    const when = bytes === 0 ? 'could not be fetched' : `could not be fetched whole, it broke off after ${bytes} bytes`;
    const advice = 'Is the server reachable, and does it let this origin read the file (CORS)?';
    throw new UpscaleError('model-unavailable', `${url} ${when}: ${reasonOf(thrown)}. ${advice}`, { cause: thrown });
  } finally {
    timer.stop();
    signal.removeEventListener('abort', abort);
    // Frees the connection of an answer that is not read to its end.
    ending.abort();
  }
}

async function read(response: Response, { url, size }: Download, count: (bytes: number) => void): Promise<Uint8Array> {
  const most = 'exactly' in size ? size.exactly : size.atMost;
  const buffer = new Uint8Array(most);
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (!chunk || chunk.done) break;
    if (length + chunk.value.length > most) {
      reader?.cancel().catch(() => undefined);
      throw otherLength(
        url,
        `is longer than the ${most} bytes that ${'exactly' in size ? 'its manifest promises' : 'are allowed'}`,
      );
    }
    buffer.set(chunk.value, length);
    length += chunk.value.length;
    count(length);
  }
  if ('exactly' in size && length < most) throw otherLength(url, `ends after ${length} of ${most} bytes`);
  return buffer.subarray(0, length);
}

/** Calls back when it has not been renewed for a time. */
class Patience {
  #timer: ReturnType<typeof setTimeout>;

  constructor(
    readonly ms: number,
    readonly over: () => void,
  ) {
    this.#timer = setTimeout(over, ms);
  }

  renew(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.over, this.ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function gaveUp({ url, patienceMs }: Download, bytes: number): UpscaleError {
  const after = bytes === 0 ? '' : ` after ${bytes} bytes`;
  const what = `${url} could not be fetched: the server sent nothing for ${patienceMs / 1000} seconds${after}.`;
  return new UpscaleError('model-unavailable', `${what} It is asked again later.`);
}

function refused(url: string, status: number): UpscaleError {
  const recoverable = status >= 500 || PASSING.includes(status);
  const advice = recoverable
    ? 'It is asked again later.'
    : "Is the URL right, do all of the model's files lie beside its manifest, and may this origin read them?";
  const what = `${url} could not be fetched: the server answered ${status}.`;
  return new UpscaleError('model-unavailable', `${what} ${advice}`, { recoverable });
}

function otherLength(url: string, how: string): UpscaleError {
  return new UpscaleError('model-invalid', `${url} ${how}. Upload all files of the model again, together.`);
}
