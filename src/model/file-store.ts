import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Store } from './cache.js';

/** Our own files in the folder: whatever else lies there is not touched. */
const OURS = /^(sha256|url)-[0-9a-f]{64}(\.[0-9a-f-]+\.part)?$/;

/** Keeps bytes as files of a folder, which several processes may share. What was read last goes last. */
export class FileStore implements Store {
  constructor(readonly folder: string) {}

  async get(name: string, most: number): Promise<Uint8Array | undefined> {
    const path = join(this.folder, name);
    const { size } = await stat(path);
    if (size > most) return undefined;
    const bytes = await readFile(path);
    const now = new Date();
    // A folder that may only be read still serves.
    await utimes(path, now, now).catch(() => undefined);
    return bytes;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const part = join(this.folder, `${name}.${randomUUID()}.part`);
    try {
      await writeFile(part, bytes);
      await rename(part, join(this.folder, name));
    } catch (thrown) {
      await rm(part, { force: true });
      throw thrown;
    }
  }

  async delete(name: string): Promise<void> {
    await rm(join(this.folder, name), { force: true });
  }

  async list(): Promise<{ name: string; bytes: number }[]> {
    const names = await readdir(this.folder).catch(() => []);
    const files = await Promise.all(
      names
        .filter((name) => OURS.test(name))
        .map(async (name) => ({ name, stats: await stat(join(this.folder, name)).catch(() => undefined) })),
    );
    return files
      .flatMap(({ name, stats }) => (stats ? [{ name, bytes: stats.size, usedMs: stats.mtimeMs }] : []))
      .sort((a, b) => a.usedMs - b.usedMs);
  }
}

/** What {@link cacheFolder} asks its surroundings. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  /** The user's folder; some containers' users have none. */
  readonly home: string | undefined;
}

/**
 * Where model files are kept on this machine: `MANA_UPSCALE_CACHE` if that is set (empty: nowhere), else `mana-upscale`
 * in the platform's folder for caches. Nothing where there is none.
 */
export function cacheFolder(
  { env, platform, home }: Surroundings = { env: process.env, platform: process.platform, home: homeFolder() },
): string | undefined {
  const given = env['MANA_UPSCALE_CACHE'];
  if (given !== undefined) return given || undefined;
  const at = (given: string | undefined, ...below: string[]): string | undefined =>
    given || (home && join(home, ...below)) || undefined;
  const caches =
    platform === 'win32'
      ? at(env['LOCALAPPDATA'], 'AppData', 'Local')
      : platform === 'darwin'
        ? at(undefined, 'Library', 'Caches')
        : at(env['XDG_CACHE_HOME'], '.cache');
  return caches && join(caches, 'mana-upscale');
}

function homeFolder(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
