import { AppendOnlyStreamTarget, StreamTarget, type StreamTargetChunk, type Target } from 'mediabunny';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Notice } from './media.js';
import type { FileSink } from './protocol.js';
import { STORE_FOLDER } from './stored-file.js';

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
  /** @throws what writing failed with; the target itself may say so only at the end */
  check(): void;
  /** All that comes now belongs to a whole file: without this word, closing the target is leaving it. */
  completing(): void;
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
  const writer = writable.getWriter();
  let whole = false;
  const { sink, check } = watched({
    write: (chunk) => writer.write(chunk),
    close: () => (whole ? writer.close() : undefined),
  });
  return {
    target: positioned
      ? new StreamTarget(sink, { chunked: true, chunkSize: CHUNK_BYTES })
      : new AppendOnlyStreamTarget(sink as unknown as WritableStream<Uint8Array>),
    appendOnly: !positioned,
    check,
    completing: () => {
      whole = true;
    },
    finish: async () => null,
    discard: () => writer.abort(new DOMException('The file was not finished.', 'AbortError')).catch(() => undefined),
  };
}

/** A stream whose first failure is remembered. */
function watched(under: UnderlyingSink<StreamTargetChunk>): {
  sink: WritableStream<StreamTargetChunk>;
  check: () => void;
} {
  let failure: { readonly cause: unknown } | undefined;
  const sink = new WritableStream<StreamTargetChunk>({
    ...under,
    write: async (chunk, controller) => {
      try {
        await under.write?.(chunk, controller);
      } catch (cause) {
        failure ??= { cause };
        throw cause;
      }
    },
  });
  return {
    sink,
    check: () => {
      if (failure) throw failure.cause;
    },
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
  const { sink, check } = watched({
    write: ({ data, position }) => {
      for (let done = 0; done < data.length; ) {
        const written = access.write(data.subarray(done), { at: position + done });
        if (!(written > 0)) throw new UpscaleError('output-failed', 'There is no room left for the output.', FINAL);
        done += written;
      }
    },
  });
  return {
    target: new StreamTarget(sink, { chunked: true, chunkSize: CHUNK_BYTES }),
    appendOnly: false,
    check,
    completing: () => undefined,
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
    check: () => undefined,
    completing: () => undefined,
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
