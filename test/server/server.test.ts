import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServer } from 'mana-upscale/server';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { SeenPicture } from '../pages/numbered-pictures.js';
import { inPage, openPage, type PageOpener } from '../support/browser.js';
import { forwardings, upscaledFaults } from '../support/seen.js';
import { openChromium } from '../support/shared-browser.js';
import { until } from '../support/whep-rig.js';

const DIST = new URL('../../dist/', import.meta.url);
const PACKAGES = new URL('../../node_modules/', import.meta.url);

let opened: PageOpener;

beforeAll(async () => {
  opened = await openChromium();
});
afterAll(() => opened.close());

/** Publishes and watches upscaled, as strangers do: by HTTP. */
async function throughHttp(url: string): Promise<SeenPicture[]> {
  const { page } = await openPage(opened, inject('pages'));
  const run = <T>(name: string, ...args: unknown[]): Promise<T> => inPage<T>(page, 'whep', name, ...args);
  const post = async (path: string, sdp: string): Promise<{ answer: string; location: string }> => {
    const headers = { 'content-type': 'application/sdp', authorization: 'Bearer secret' };
    const response = await fetch(new URL(path, url), { method: 'POST', headers, body: sdp });
    const answer = await response.text();
    expect([response.status, answer.slice(0, 3)]).toEqual([201, 'v=0']);
    return { answer, location: response.headers.get('location') as string };
  };
  try {
    const published = await post(
      '/whip/a',
      await run('publishOffer', 'p', { codec: 'vp8', width: 160, height: 90, fps: 10 }),
    );
    await run('answer', 'p', published.answer);
    await until('the stream', async () => (await (await fetch(new URL('/ready', url))).status) === 200);
    const watched = await post('/whep/a?video=upscaled', await run('watchOffer', 'v', {}));
    await run('answer', 'v', watched.answer);
    const pictures: SeenPicture[] = [];
    await until('upscaled pictures', async () => {
      pictures.push(...(await run<SeenPicture[]>('seen', 'v', 1)));
      return pictures.filter(({ width }) => width === 320).length >= 30;
    });
    const ended = await fetch(new URL(published.location, url), { method: 'DELETE' });
    expect(ended.status).toBe(200);
    return pictures;
  } finally {
    await page.close();
  }
}

it('a stranger publishes by WHIP and watches the upscaled video by WHEP', async () => {
  const options = { port: 0, logLevel: 'silent', auth: { publishToken: 'secret', watchToken: 'secret' } } as const;
  const server = await createServer({ ...options, upscale: { lookahead: 0, workers: 1, budgetMs: 5000 } });
  try {
    const pictures = await throughHttp(server.url);
    const metrics = async (): Promise<string> => (await fetch(new URL('/metrics', server.url))).text();
    expect(upscaledFaults(pictures, forwardings(await metrics()))).toEqual([]);
    const counted = (name: string, least: number): Promise<void> =>
      // Handed over once a second.
      until(`${name} above ${least}`, async () => {
        const found = new RegExp(`^mana_${name.replaceAll(/[{}]/g, '\\$&')} (\\d+)$`, 'm').exec(await metrics());
        return Number(found?.[1] ?? 0) > least;
      });
    for (const kind of ['audio', 'video']) {
      for (const direction of ['in', 'out']) {
        await counted(`rtp_packets_total{direction="${direction}",kind="${kind}"}`, 20);
      }
    }
    for (const stage of ['received', 'upscaled']) await counted(`pictures_total{stage="${stage}"}`, 20);
    await counted('keyframe_requests_total{direction="out"}', 0);
    await counted('added_delay_seconds_count', 0);
  } finally {
    await server.close({ drainMs: 0 });
  }
});

/** Starts `mana-upscale serve`, and waits until it says where it is. */
async function serve(program: string): Promise<{ child: ChildProcess; url: string; printed: () => string }> {
  const child = spawn(process.execPath, [program, 'serve', '--port', '0'], { stdio: 'pipe' });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      printed += data;
    });
  }
  await until('the greeting', () => /http:\/\/127\.0\.0\.1:\d+\/whip\//.test(printed));
  const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed) as RegExpExecArray;
  return { child, url, printed: () => printed };
}

/** Sends SIGTERM; gives the exit code. */
function terminate(child: ChildProcess): Promise<unknown> {
  const code = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  return code;
}

it('mana-upscale serve: starts, says where, and ends in good order with SIGTERM', async () => {
  const { child, url, printed } = await serve(fileURLToPath(new URL('cli.js', DIST)));
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect(await terminate(child)).toBe(0);
  expect(printed()).not.toContain('is not installed');
});

it('mana-upscale serve without node-av: says what to install, and serves streams as they were sent', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'server-'));
  try {
    const names = (await readdir(DIST)).filter((name) => name.endsWith('.js'));
    await mkdir(join(folder, 'dist'));
    for (const name of names) await copyFile(new URL(name, DIST), join(folder, 'dist', name));
    await writeFile(join(folder, 'package.json'), '{"type":"module","version":"0.0.0"}');
    await mkdir(join(folder, 'node_modules'));
    for (const name of await readdir(PACKAGES)) {
      if (name === 'node-av') continue;
      await symlink(fileURLToPath(new URL(name, PACKAGES)), join(folder, 'node_modules', name));
    }
    const { child, url, printed } = await serve(join(folder, 'dist', 'cli.js'));
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(await terminate(child)).toBe(0);
    expect(printed()).toContain(
      'Nothing is upscaled, streams are only given on as they were sent. Video cannot be coded because the package node-av is not installed: run npm install node-av.',
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
