import {
  type FileEvent,
  type FileProgress,
  type FileUpscaleOptions,
  type UpscaledFile,
  type UpscaleError,
  upscaleFile,
} from '/dist/index.js';

const NANO: FileUpscaleOptions = { backend: 'wasm', model: 'mana-nano-x2', threads: 1 };

/** What became of a file. */
export interface Outcome {
  readonly error: { readonly name: string; readonly code: string | null; readonly message: string } | null;
  readonly file: (Omit<UpscaledFile, 'blob' | 'dispose'> & { readonly type: string }) | null;
  /** Base64. */
  readonly bytes: string;
  readonly events: FileEvent[];
  readonly progress: FileProgress[];
  /** Frames as they went into the encoder, I420 without gaps, Base64. */
  readonly made: string[];
  /** Names in the private file system afterwards. */
  readonly left: string[];
}

/** Upscales a file that comes as Base64. `watch`: its frames are looked at on their way to the encoder. */
export async function upscale(
  base64: string,
  name: string,
  options: FileUpscaleOptions = {},
  watch = false,
): Promise<Outcome> {
  return outcome(new File([decode(base64) as BlobPart], name), { ...NANO, ...options }, watch);
}

/** The same with a file at an address. */
export async function upscaleAt(url: string, options: FileUpscaleOptions = {}): Promise<Outcome> {
  return outcome(url, { ...NANO, ...options }, false);
}

async function outcome(file: File | string, options: FileUpscaleOptions, watch: boolean): Promise<Outcome> {
  const events: FileEvent[] = [];
  const progress: FileProgress[] = [];
  const made: string[] = [];
  const channel = new BroadcastChannel('made');
  channel.onmessage = ({ data }: MessageEvent<Uint8Array>) => made.push(encode(data));
  const base = { events, progress, made };
  try {
    const upscaled = await upscaleFile(file, {
      ...options,
      onEvent: (event) => events.push(event),
      onProgress: (told) => progress.push(told),
      ...(watch ? { assets: { ...options.assets, fileWorker: '/test/pages/file-watched.worker.ts' } } : {}),
    });
    const { blob, dispose, ...rest } = upscaled;
    const bytes = blob ? encode(new Uint8Array(await blob.arrayBuffer())) : '';
    const type = blob?.type ?? '';
    dispose();
    // Frames come by another way than the result, and may come after it.
    for (let tries = 0; watch && made.length < rest.frames && tries < 2_400; tries++) await sleep(50);
    return { ...base, error: null, file: { ...rest, type }, bytes, left: await stored() };
  } catch (thrown) {
    const { name, message, code = null } = thrown as UpscaleError;
    return { ...base, error: { name, message, code }, file: null, bytes: '', left: await stored() };
  } finally {
    channel.close();
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Names in the private file system, when what is being removed is gone. */
export async function stored(): Promise<string[]> {
  let names: string[] = [];
  for (let tries = 0; tries < 2_400; tries++) {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('mana-upscale', { create: true });
    names = [];
    for await (const name of folder.keys()) names.push(name);
    if (names.length === 0) break;
    await sleep(50);
  }
  return names;
}

function decode(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function encode(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/** What is left after work that was ended in the middle. */
export interface Ended {
  readonly error: string;
  /** Whether it is the reason that was given. */
  readonly same: boolean;
  readonly left: string[];
}

/** Ends the work when so many frames are made. */
export async function abortAt(base64: string, name: string, frames: number): Promise<Ended> {
  const controller = new AbortController();
  const reason = new DOMException('Enough.', 'AbortError');
  let pictures = 0;
  try {
    await upscaleFile(new File([decode(base64) as BlobPart], name), {
      ...NANO,
      signal: controller.signal,
      pictureEveryMs: 0,
      onPicture: (picture) => {
        picture.close();
        if (++pictures < frames || controller.signal.aborted) return;
        controller.abort(reason);
      },
    });
    return { error: 'It was not ended.', same: false, left: await stored() };
  } catch (thrown) {
    return { error: String(thrown), same: thrown === reason, left: await stored() };
  }
}

/** What a stream received. */
export interface Received {
  readonly bytes: string;
  readonly writes: number;
  readonly closed: boolean;
  readonly aborted: boolean;
  readonly blob: boolean;
  readonly error: string;
  readonly pictures: number;
}

/** Upscales into a stream of bytes. @param failAfter writes after which it takes no more */
export async function intoStream(
  base64: string,
  name: string,
  failAfter: number | null = null,
  options: FileUpscaleOptions = {},
): Promise<Received> {
  const parts: Uint8Array[] = [];
  let [closed, aborted, pictures] = [false, false, 0];
  const writeTo = new WritableStream<Uint8Array>({
    write: (data) => {
      if (failAfter !== null && parts.length >= failAfter) throw new Error('The disk is full.');
      parts.push(data);
    },
    close: () => {
      closed = true;
    },
    abort: () => {
      aborted = true;
    },
  });
  const received = async (blob: boolean, error: string): Promise<Received> => ({
    bytes: encode(new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer())),
    writes: parts.length,
    closed,
    aborted,
    blob,
    error,
    pictures,
  });
  try {
    const onPicture = (picture: VideoFrame): void => {
      pictures++;
      picture.close();
    };
    const { blob } = await upscaleFile(new File([decode(base64) as BlobPart], name), {
      ...NANO,
      ...options,
      writeTo,
      onPicture,
      pictureEveryMs: 0,
    });
    return received(blob !== null, '');
  } catch (thrown) {
    return received(false, String(thrown));
  }
}

/** Upscales into a file that a handle stands for, and gives what is in it. */
export async function intoHandle(base64: string, name: string): Promise<string> {
  const root = await navigator.storage.getDirectory();
  const handle = await root.getFileHandle('chosen.mp4', { create: true });
  const { blob } = await upscaleFile(new File([decode(base64) as BlobPart], name), { ...NANO, writeTo: handle });
  const bytes = encode(new Uint8Array(await (await handle.getFile()).arrayBuffer()));
  await root.removeEntry('chosen.mp4');
  return blob ? 'a blob' : bytes;
}

/** Upscales a file and counts its frames, here and in `framesDone`. */
export async function count(base64: string, name: string): Promise<number> {
  const upscaled = await upscaleFile(new File([decode(base64) as BlobPart], name), {
    ...NANO,
    onProgress: ({ framesDone }) => {
      Object.assign(globalThis, { framesDone });
    },
  });
  upscaled.dispose();
  await stored();
  return upscaled.frames;
}

/** Upscales a file where an earlier page has left one behind. */
export async function upscaleAfterLeaving(base64: string, name: string): Promise<Outcome> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('mana-upscale', { create: true });
  await folder.getFileHandle('mana-upscale-of-yesterday', { create: true });
  return upscale(base64, name);
}

/** The error that wrong arguments, or files that are not there, come to. */
export async function errorFor(file: string, options: FileUpscaleOptions = {}): Promise<string> {
  try {
    (await upscaleFile(file, { ...NANO, ...options })).dispose();
    return 'none';
  } catch (thrown) {
    return String(thrown);
  }
}
