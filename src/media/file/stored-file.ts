/** Folder of unfinished and finished files in the browser's private file system. */
export const STORE_FOLDER = 'mana-upscale';

/** A temporary file in the browser's private file system, kept as long as this page wants it. */
export interface StoredFile {
  readonly name: string;
  /** Removes it. */
  release(): void;
}

/**
 * Names a temporary file. A lock of that name is held for as long as the page lives: files without one were left by pages
 * that are gone, and are removed.
 */
export async function keepStored(): Promise<StoredFile> {
  const name = `mana-upscale-${crypto.randomUUID()}`;
  const { locks } = navigator;
  let unlock = (): void => undefined;
  if (locks) {
    await new Promise<void>((held, failed) => {
      locks
        .request(name, () => {
          held();
          return new Promise<void>((resolve) => {
            unlock = resolve;
          });
        })
        .catch(failed);
    }).catch(() => undefined);
    void removeLeft(locks);
  }
  return {
    name,
    release: () => {
      void remove([name]).finally(() => unlock());
    },
  };
}

async function removeLeft(locks: LockManager): Promise<void> {
  try {
    const folder = await storeFolder();
    const { held = [] } = await locks.query();
    const wanted = new Set(held.map(({ name }) => name));
    const left: string[] = [];
    for await (const name of folder.keys()) if (!wanted.has(name)) left.push(name);
    await remove(left);
  } catch {
    // Nothing has been stored here yet, or nothing can be.
  }
}

async function remove(names: readonly string[]): Promise<void> {
  const folder = await storeFolder().catch(() => undefined);
  for (const name of names) await folder?.removeEntry(name).catch(() => undefined);
}

async function storeFolder(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(STORE_FOLDER);
}
