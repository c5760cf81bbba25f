import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { checkServerOptions } from '../../src/server/config.js';
import { readConfig } from '../../src/server/config-sources.js';
import { createLog } from '../../src/server/http/log.js';
import { startHttp } from '../../src/server/http/server.js';
import { createMetrics } from '../../src/server/metrics.js';
import type { ServerConfig, ServerOptions } from '../../src/server/options.js';
import { SETTINGS } from '../../src/server/settings.js';
import { MemoryRooms } from '../support/memory-rooms.js';

const folder = mkdtempSync(join(tmpdir(), 'mana-config-'));
afterEach(() => rmSync(join(folder, 'server.json'), { force: true }));

const at = (config: unknown, path: string) =>
  path.split('.').reduce<unknown>((part, name) => (part as Record<string, unknown>)[name], config);

it('every option has its default, its flag, its variable, and a doc comment that says the same as its help', () => {
  const config = checkServerOptions();
  for (const { path, fallback } of SETTINGS) {
    if (path !== 'media.host') expect(at(config, path), path).toEqual(fallback);
  }
  expect(config.media.host).toBe('127.0.0.1');
  expect(new Set(SETTINGS.map(({ flag }) => flag)).size).toBe(SETTINGS.length);
  expect(SETTINGS.find(({ path }) => path === 'limits.viewersPerStream')).toMatchObject({
    flag: 'viewers-per-stream',
    env: 'MANA_VIEWERS_PER_STREAM',
  });
  const source = readFileSync(new URL('../../src/server/options.ts', import.meta.url), 'utf8');
  const documented = [...source.matchAll(/\/\*\* ([^\n]*?) \*\/\n {2}readonly (\w+)\?:/g)].map(([, text, name]) => ({
    text,
    name,
  }));
  for (const { path, help, fallback } of SETTINGS) {
    const shown =
      typeof fallback === 'string'
        ? ` Default \`${fallback}\`.`
        : typeof fallback === 'number'
          ? ` Default ${fallback}.`
          : '';
    expect(documented, path).toContainEqual({ text: `${help}${shown}`, name: path.split('.').at(-1) });
  }
});

it('what is wrong is said in a sentence that names the option', () => {
  const wrong = (options: unknown) => {
    try {
      checkServerOptions(options as ServerOptions);
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      return (error as Error).message;
    }
    throw new Error(`accepted ${JSON.stringify(options)}`);
  };
  for (const { path, kind } of SETTINGS) {
    const bad = { text: 5, flag: 'yes', integer: 1.5, number: 'a', list: 'a', ports: [1, 2], json: 'a' }[kind];
    const [group = '', name] = path.split('.');
    const message = wrong(name === undefined ? { [group]: bad } : { [group]: { [name]: bad } });
    expect(message.startsWith(`options.${path} must `), message).toBe(true);
    expect(message.endsWith('.'), message).toBe(true);
  }
  expect(wrong({ port: 65536 })).toBe('options.port must be an integer from 0 to 65535.');
  expect(wrong({ limts: {} })).toBe('options.limts is not an option of the server.');
  expect(wrong({ limits: { peer: 1 } })).toBe('options.limits.peer is not an option of the server.');
  expect(wrong({ limits: null })).toContain('options.limits');
  expect(wrong(JSON.parse('{"__proto__": {"host": "x"}}'))).toContain('__proto__');
  expect(wrong(null)).toContain('options');
  expect(wrong({ auth: { authorize: true } })).toContain('options.auth.authorize');
  expect(wrong({ auth: { none: true, publishToken: 'a' } })).toContain('options.auth.none');
  expect(wrong({ auth: { publishToken: 'with space' } })).toContain('bearer token');
  expect(wrong({ auth: { tokens: { 'a b': { watch: 'x' } } } })).toContain('options.auth.tokens');
  expect(wrong({ auth: { tokens: { cam: { view: 'x' } } } })).toContain('options.auth.tokens.cam');
  expect(wrong({ auth: { tokens: { cam: { watch: [''] } } } })).toContain('options.auth.tokens.cam.watch');
  expect(wrong({ limits: { headersTimeoutMs: 9000, requestTimeoutMs: 8000 } })).toContain('headersTimeoutMs');
  expect(wrong({ media: { ports: { min: 5, max: 4 } } })).toContain('options.media.ports');
  expect(wrong({ media: { iceServers: [{ urls: 'turn:a' }] } })).toContain('credential');
  expect(wrong({ media: { iceServers: [{ urls: 'stun:a>; rel="x"' }] } })).toContain('urls');
  expect(wrong({ media: { iceServers: [{ urls: 'turn:a', username: 'a\r\nX: y', credential: 'b' }] } })).toContain(
    'ASCII',
  );
  expect(wrong({ allowedOrigins: ['https://a.example/'] })).toContain('options.allowedOrigins');
  expect(wrong({ trustProxy: ['10.0.0.0/33'] })).toContain('options.trustProxy');
  expect(wrong({ upscale: { scale: 3 } })).toBe('options.upscale.scale must be 2 or 4.');
});

it('a server that others reach needs tokens, a hook, or to be told that anyone may', () => {
  for (const host of ['0.0.0.0', '::', '192.168.1.5', 'tv.example']) {
    expect(() => checkServerOptions({ host })).toThrow(/options\.host is not loopback.*--no-auth/);
    expect(checkServerOptions({ host, auth: { none: true } }).host).toBe(host);
    expect(checkServerOptions({ host, auth: { watchToken: 'a' } }).host).toBe(host);
    expect(checkServerOptions({ host, auth: { authorize: () => true } }).host).toBe(host);
    expect(() => checkServerOptions({ host, auth: { tokens: {}, openWatch: true } })).toThrow(TypeError);
  }
  for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost'])
    expect(checkServerOptions({ host }).host).toBe(host);
});

it('flags stand above the environment, that above the file, and each names its own mistakes', () => {
  const file = { name: 'server.json', text: '{"port": 1, "limits": {"peers": 2, "streams": 3}, "logLevel": "warn"}' };
  const config = readConfig({ flags: { port: '5' }, env: { MANA_PORT: '4', MANA_PEERS: '7' }, file });
  expect(config).toMatchObject({ port: 5, limits: { peers: 7, streams: 3, viewersPerStream: 50 }, logLevel: 'warn' });
  const all = readConfig({
    flags: { 'no-auth': true, 'udp-ports': '40000-40100', 'allowed-origins': 'https://a.example, https://b.example' },
    env: { MANA_HOST: '0.0.0.0', MANA_ICE_SERVERS: '[{"urls":"stun:a"}]', MANA_BUDGET_MS: '12.5', OTHER: 'x' },
  });
  expect(all).toMatchObject({
    host: '0.0.0.0',
    auth: { none: true },
    media: { host: '0.0.0.0', ports: { min: 40000, max: 40100 }, iceServers: [{ urls: 'stun:a' }] },
    allowedOrigins: ['https://a.example', 'https://b.example'],
    upscale: { budgetMs: 12.5 },
  });
  expect(() => readConfig({ flags: { peers: 'many' } })).toThrow('--peers must be an integer');
  expect(() => readConfig({ env: { MANA_PEERS: '' } })).toThrow('MANA_PEERS must be an integer');
  expect(() => readConfig({ env: { MANA_NO_AUTH: 'maybe' } })).toThrow('MANA_NO_AUTH must be true or false.');
  expect(() => readConfig({ env: { MANA_TOKENS: '{' } })).toThrow('MANA_TOKENS must be JSON.');
  expect(() => readConfig({ file: { name: 'a.json', text: '{"limits": {"peers": 0}}' } })).toThrow(
    'limits.peers in a.json must be an integer',
  );
  for (const text of [
    '',
    '[]',
    'null',
    '{"limits": []}',
    '{"a.b": 1}',
    '{"limits": {"peers.x": 1}}',
    '{"__proto__": 1}',
  ]) {
    expect(() => readConfig({ file: { name: 'a.json', text } }), text).toThrow(TypeError);
  }
});

/** The command line with rooms in memory. */
function cli() {
  const lines: string[] = [];
  const configs: ServerConfig[] = [];
  const rooms = new MemoryRooms();
  const ports: number[] = [];
  let signal = () => {};
  const run = (argv: readonly string[], env: Record<string, string> = {}) =>
    main(argv, {
      env,
      print: (line) => lines.push(line),
      onSignal: (end) => {
        signal = end;
        return () => {};
      },
      start: async (config) => {
        configs.push(config);
        const server = await startHttp(config, { rooms, metrics: createMetrics(), log: createLog('silent') });
        ports.push(server.port);
        return server;
      },
    });
  return { lines, configs, rooms, ports, run, signal: () => signal() };
}

it('serve says where to publish and watch, and ends in good order with a signal', async () => {
  const { lines, rooms, ports, run, signal } = cli();
  const code = run(['serve', '--port', '0', '--drain-ms', '0'], {});
  await expect.poll(() => lines.length).toBeGreaterThan(2);
  expect(lines.join('\n')).toContain(`http://127.0.0.1:${ports[0]}/whip/my-stream`);
  expect(lines.join('\n')).toContain(`http://127.0.0.1:${ports[0]}/whep/my-stream`);
  expect(lines.join('\n')).toContain(`ws://127.0.0.1:${ports[0]}/ws`);
  expect((await fetch(`http://127.0.0.1:${ports[0]}/health`)).status).toBe(200);
  signal();
  expect(await code).toBe(0);
  expect(rooms.closedBecause).toBeDefined();
});

it('a second signal ends at once', async () => {
  const { lines, rooms, run, signal } = cli();
  const code = run(['serve', '--port', '0', '--drain-ms', '60000']);
  await expect.poll(() => lines.length).toBeGreaterThan(2);
  await rooms.publish('cam', 'v=0\n');
  signal();
  signal();
  expect(await code).toBe(130);
  // The test's own process goes on: nothing of the server may.
  await rooms.close('test');
});

it('mistakes are one line and a code', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  for (const [argv, code, says] of [
    [['serve', '--port', 'x'], 64, /^mana-upscale: --port must be an integer from 0 to 65535\.$/],
    [['serve', '--host', '0.0.0.0'], 64, /--no-auth/],
    [['serve', '--nonsense'], 64, /unknown option '--nonsense'/],
    [['serve', '--config', join(folder, 'none.json')], 64, /ENOENT/],
    [['dance'], 64, /unknown command 'dance'/],
    [['serve', '--port', String(port)], 1, /^mana-upscale: .*EADDRINUSE/],
  ] as const) {
    const { lines, run } = cli();
    expect(await run(argv), argv.join(' ')).toBe(code);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(says);
  }
  taken.close();
});

it('help names every option, its variable and its default; a file is read', async () => {
  const { lines, configs, run, signal } = cli();
  expect(await run(['serve', '--help'])).toBe(0);
  const help = lines.join('\n').replaceAll(/\s+/g, ' ');
  for (const { flag, env } of SETTINGS) {
    expect(help).toContain(`--${flag}`);
    expect(help).toContain(`[${env}]`);
  }
  expect(help).toContain('Default 8080.');
  writeFileSync(join(folder, 'server.json'), '{"port": 0, "drainMs": 0, "auth": {"publishToken": "a"}}');
  const code = run(['serve', '--config', join(folder, 'server.json')]);
  await expect.poll(() => lines.join('\n')).toContain('Nobody can watch');
  expect(configs[0]).toMatchObject({ port: 0, auth: { publishToken: 'a' } });
  signal();
  expect(await code).toBe(0);
});
