import { AppendOnlyStreamTarget, StreamTarget, type StreamTargetChunk, type Target } from 'mediabunny';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Notice } from './media.js';
import type { FileSink } from './protocol.js';

/** Folder of unfinished and finished files in the browser's private file system. */
export const STORE_FOLDER = 'mana-upscale';
/** Bytes that are collected before they are written. */
const CHUNK_BYTES = 1024 * 1024;
/** Bytes that are made into one Blob, which the browser may keep on disk. */
const PART_BYTES = 8 * 1024 * 1024;

/** What only workers have, which the type library of pages does not know. */
interface SyncAccess {
  write(data: Uint8Array, options: { readonly at: number }): number;
  flush(): void;
  close(): void;
}

/** Where an output is written. */
export interface OutputPlace {
  readonly target: Target;
  /** Whether nothing can be written twice. */
  readonly appendOnly: boolean;
  /** The finished file, where the page has not given another place for it. */
  finish(mimeType: string): Promise<Blob | null>;
  /** Removes what was written. */
  discard(): Promise<void>;
}

/** Opens the place. @throws UpscaleError `output-failed` */
export async function openPlace(sink: FileSink, notice: Notice): Promise<OutputPlace> {
  if (sink.kind === 'stream') return streamPlace(sink.writable, sink.positioned);
  if (sink.kind === 'handle') return handlePlace(sink.handle);
  try {
    return await storePlace(sink.name);
  } catch (thrown) {
    notice(
      `This browser gives no room for files (${reasonOf(thrown)}): the output is kept in memory, and fragmented if it is an MP4.`,
    );
    return memoryPlace();
  }
}

function streamPlace(writable: WritableStream, positioned: boolean): OutputPlace {
  return {
    target: positioned
      ? new StreamTarget(writable, { chunked: true, chunkSize: CHUNK_BYTES })
      : new AppendOnlyStreamTarget(writable),
    appendOnly: !positioned,
    finish: async () => null,
    discard: () => writable.abort(new DOMException('The file was not finished.', 'AbortError')).catch(() => undefined),
  };
}

async function handlePlace(handle: FileSystemFileHandle): Promise<OutputPlace> {
  try {
    return streamPlace(await handle.createWritable(), true);
  } catch (cause) {
    throw new UpscaleError('output-failed', `The file ${handle.name} cannot be written: ${reasonOf(cause)}`, {
      cause,
      recoverable: false,
    });
  }
}

/** A temporary file in the browser's private file system: as long as the disk allows, and no memory. */
async function storePlace(name: string): Promise<OutputPlace> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(STORE_FOLDER, { create: true });
  const file = await folder.getFileHandle(name, { create: true });
  const access = await (file as unknown as { createSyncAccessHandle(): Promise<SyncAccess> }).createSyncAccessHandle();
  let open = true;
  const close = (): void => {
    if (open) access.close();
    open = false;
  };
  const writable = new WritableStream<StreamTargetChunk>({
    write: ({ data, position }) => {
      for (let done = 0; done < data.length; ) {
        const written = access.write(data.subarray(done), { at: position + done });
        if (!(written > 0)) throw new UpscaleError('output-failed', 'There is no room left for the output.', FINAL);
        done += written;
      }
    },
  });
  return {
    target: new StreamTarget(writable, { chunked: true, chunkSize: CHUNK_BYTES }),
    appendOnly: false,
    finish: async (mimeType) => {
      access.flush();
      close();
      const stored = await file.getFile();
      return stored.slice(0, stored.size, mimeType);
    },
    discard: async () => {
      close();
      await folder.removeEntry(name).catch(() => undefined);
    },
  };
}

const FINAL = { recoverable: false } as const;

/** Blobs one after another, which browsers move to disk when they become many. */
function memoryPlace(): OutputPlace {
  let parts: Blob[] = [];
  let last: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const collect = (): void => {
    parts.push(new Blob(last));
    last = [];
    bytes = 0;
  };
  const writable = new WritableStream<Uint8Array<ArrayBuffer>>({
    write: (data) => {
      last.push(data);
      bytes += data.length;
      if (bytes >= PART_BYTES) collect();
    },
  });
  return {
    target: new AppendOnlyStreamTarget(writable),
    appendOnly: true,
    finish: async (type) => {
      collect();
      return new Blob(parts, { type });
    },
    discard: async () => {
      parts = [];
      last = [];
    },
  };
}
