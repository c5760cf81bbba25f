import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { inPage, launchChromium, openPage, type PageOpener } from '../../test/support/browser.js';
import { startServer } from '../../test/support/server.js';

/** `mana-upscale serve` in a process of its own, and a browser whose page publishes and watches through HTTP. */
export interface ServerRig {
  readonly url: string;
  /** Calls a function of the page's module. */
  run<T>(name: string, ...args: unknown[]): Promise<T>;
  publish(id: string, stream: string, options: Record<string, unknown>): Promise<void>;
  watch(id: string, stream: string, video: 'source' | 'upscaled'): Promise<void>;
  /** What the server says of its streams. */
  streams(): Promise<{ name: string; level: string | null; levelReason: string; addedDelayMs: number }[]>;
  /** The server's memory in MiB, resident now, shared pages by their share. */
  memory(): Promise<number>;
  /** Seconds that the server has computed so far, on all cores. */
  cpuSeconds(): Promise<number>;
}

const PROGRAM = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const CLOCK_TICKS = 100;

/** Runs something with a browser and the address of an empty page, and ends both. */
export async function withBrowser<T>(use: (browser: PageOpener, pages: string) => Promise<T>): Promise<T> {
  const pages = await startServer();
  const browser = await launchChromium();
  try {
    return await use(browser, pages.url);
  } finally {
    await browser.close();
    await pages.close();
  }
}

/** Runs something with a server and a browser, and ends both. `flags` are the server's, `nodeFlags` its Node's. */
export async function withRig<T>(
  flags: readonly string[],
  use: (rig: ServerRig) => Promise<T>,
  nodeFlags: readonly string[] = [],
): Promise<T> {
  const { child, url } = await serve(flags, nodeFlags);
  const withPage = async (browser: PageOpener, pages: string): Promise<T> => {
    const { page } = await openPage(browser, pages);
    const run = <R>(name: string, ...args: unknown[]): Promise<R> => inPage<R>(page, 'whep', name, ...args);
    const post = async (path: string, sdp: string): Promise<string> => {
      const headers = { 'content-type': 'application/sdp' };
      const response = await fetch(new URL(path, url), { method: 'POST', headers, body: sdp });
      const text = await response.text();
      if (response.status !== 201) throw new Error(`${path}: ${response.status} ${text}`);
      return text;
    };
    return await use({
      url,
      run,
      publish: async (id, stream, options) => {
        await run('answer', id, await post(`/whip/${stream}`, await run('publishOffer', id, options)));
      },
      watch: async (id, stream, video) => {
        await run('answer', id, await post(`/whep/${stream}?video=${video}`, await run('watchOffer', id, {})));
      },
      streams: async () => {
        const response = await fetch(new URL('/api/streams', url));
        return ((await response.json()) as { streams: Awaited<ReturnType<ServerRig['streams']>> }).streams;
      },
      memory: async () => {
        const rollup = await readFile(`/proc/${child.pid}/smaps_rollup`, 'utf8');
        return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]) / 1024;
      },
      cpuSeconds: async () => {
        const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
      },
    });
  };
  try {
    return await withBrowser(withPage);
  } finally {
    await ended(child);
  }
}

async function serve(
  flags: readonly string[],
  nodeFlags: readonly string[],
): Promise<{ child: ChildProcess; url: string }> {
  const all = ['serve', '--port', '0', '--log-level', 'warn', '--drain-ms', '0', ...flags];
  const child = spawn(process.execPath, [...nodeFlags, PROGRAM, ...all], { stdio: ['ignore', 'inherit', 'pipe'] });
  const url = await new Promise<string>((resolve, reject) => {
    let printed = '';
    child.stderr.on('data', (data) => {
      printed += data;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(printed);
      if (found) resolve(found[0]);
    });
    child.once('exit', () => reject(new Error(`The server has ended: ${printed}`)));
  });
  return { child, url };
}

function ended(child: ChildProcess): Promise<unknown> {
  const end = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  return end;
}
