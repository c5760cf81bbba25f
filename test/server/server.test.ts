import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createServer } from 'mana-upscale/server';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SeenPicture } from '../pages/whep.js';
import { inPage, openPage } from '../support/browser.js';
import { faults, openBrowser, until, type WhepBrowser } from '../support/whep-rig.js';

let opened: WhepBrowser;

beforeAll(async () => {
  opened = await openBrowser();
});
afterAll(() => opened.close());

/** Publishes and watches upscaled, as strangers do: by HTTP. */
async function throughHttp(url: string): Promise<SeenPicture[]> {
  const { page } = await openPage(opened.browser, opened.server.url);
  const run = <T>(name: string, ...args: unknown[]): Promise<T> => inPage<T>(page, 'whep', name, ...args);
  const post = async (path: string, sdp: string): Promise<{ answer: string; location: string }> => {
    const headers = { 'content-type': 'application/sdp', authorization: 'Bearer secret' };
    const response = await fetch(new URL(path, url), { method: 'POST', headers, body: sdp });
    const answer = await response.text();
    expect([response.status, answer.slice(0, 3)]).toEqual([201, 'v=0']);
    return { answer, location: response.headers.get('location') as string };
  };
  try {
    const published = await post('/whip/a', await run('publishOffer', 'p', { codec: 'vp8', width: 160, height: 90 }));
    await run('answer', 'p', published.answer);
    await until('the stream', async () => (await (await fetch(new URL('/ready', url))).status) === 200);
    const watched = await post('/whep/a?video=upscaled', await run('watchOffer', 'v', {}));
    await run('answer', 'v', watched.answer);
    const pictures = await run<SeenPicture[]>('seen', 'v', 60, 20_000);
    const ended = await fetch(new URL(published.location, url), { method: 'DELETE' });
    expect(ended.status).toBe(200);
    return pictures;
  } finally {
    await page.close();
  }
}

it('a stranger publishes by WHIP and watches the upscaled video by WHEP', { retry: 1 }, async () => {
  const options = { port: 0, logLevel: 'silent', auth: { publishToken: 'secret', watchToken: 'secret' } } as const;
  const server = await createServer({ ...options, upscale: { lookahead: 0, workers: 1 } });
  try {
    const pictures = await throughHttp(server.url);
    expect(faults(pictures)).toEqual([]);
    expect(pictures.at(-1)).toMatchObject({ width: 320, height: 180 });
    const metrics = await (await fetch(new URL('/metrics', server.url))).text();
    expect(metrics).toContain('mana_');
  } finally {
    await server.close({ drainMs: 0 });
  }
});

it('mana-upscale serve: starts, says where, and ends in good order with SIGTERM', async () => {
  const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [program, 'serve', '--port', '0'], { stdio: 'pipe' });
  let printed = '';
  child.stderr?.on('data', (data) => {
    printed += data;
  });
  const code = new Promise((resolve) => child.once('exit', resolve));
  await until('the greeting', () => /http:\/\/127\.0\.0\.1:\d+\/whip\//.test(printed));
  const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed) as RegExpExecArray;
  expect((await fetch(`${url}/health`)).status).toBe(200);
  child.kill('SIGTERM');
  expect(await code).toBe(0);
});
