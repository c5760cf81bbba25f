import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { closeRigs, exchange, httpRig, OFFER } from '../support/http-rig.js';

afterEach(closeRigs);

const head = (more = '') => `POST /whip/cam HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n${more}\r\n`;
const SLOW = { headersTimeoutMs: 300, requestTimeoutMs: 600 };

it('slow headers and slow bodies are cut', async () => {
  const rig = await httpRig({ limits: SLOW });
  const drip = (text: string) => [...text].map((letter) => letter);
  const [headers, body, silent] = await Promise.all([
    exchange(rig.server.port, drip(head(`X-Slow: ${'a'.repeat(500)}\r\n`)), 20),
    exchange(rig.server.port, [head('Content-Length: 500\r\n'), ...drip('v=0\r\n'.repeat(100))], 20),
    exchange(rig.server.port, ['POST']),
  ]);
  expect(headers).toContain('HTTP/1.1 408 ');
  expect(headers).toContain('application/problem+json');
  expect(body).toContain('HTTP/1.1 408 ');
  expect(silent).toContain('HTTP/1.1 408 ');
  expect(rig.rooms.all).toEqual([]);
  // On a machine that is busy with something else even a quick one may be too slow for these limits.
  await expect.poll(async () => (await rig.post('/whip/cam')).status).toBe(201);
});

it('header bombs, nonsense and smuggling get an error and the connection ends', async () => {
  const rig = await httpRig();
  const answers = {
    bomb: await exchange(rig.server.port, [head(`X: ${'a'.repeat(64 * 1024)}\r\n`)]),
    many: await exchange(rig.server.port, [head('a: b\r\n'.repeat(10_000))]),
    nonsense: await exchange(rig.server.port, [Buffer.from([0, 1, 2, 3, 0xff, 13, 10, 13, 10])]),
    tls: await exchange(rig.server.port, [Buffer.from('16030100a5010000a10303', 'hex'), '\r\n\r\n']),
    chunks: await exchange(rig.server.port, [head('Transfer-Encoding: chunked\r\n'), 'zzz\r\nhello\r\n0\r\n\r\n']),
    chunkSize: await exchange(rig.server.port, [head('Transfer-Encoding: chunked\r\n'), 'fffffffffffffffff\r\n']),
    two: await exchange(rig.server.port, [head('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'), '0\r\n\r\n']),
    lengths: await exchange(rig.server.port, [head('Content-Length: 4\r\nContent-Length: 5\r\n'), 'abcd']),
    noHost: await exchange(rig.server.port, ['GET /health HTTP/1.1\r\n\r\n']),
    fold: await exchange(rig.server.port, ['GET /health HTTP/1.1\r\nHost: x\r\n y\r\nA\0b: c\r\n\r\n']),
  };
  expect(answers.bomb).toContain('HTTP/1.1 431 ');
  expect(answers.many).toContain('HTTP/1.1 431 ');
  for (const [name, answer] of Object.entries(answers)) expect(answer, name).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(rig.rooms.all).toEqual([]);
  expect((await rig.fetch('/health')).status).toBe(200);
});

it('a chunked body that grows beyond the limit is cut off while it comes', async () => {
  const rig = await httpRig({ limits: { sdpBytes: 4096 } });
  const chunk = `1000\r\n${'a'.repeat(4096)}\r\n`;
  const sent = Array.from({ length: 1000 }, () => chunk);
  const answer = await exchange(rig.server.port, [head('Transfer-Encoding: chunked\r\n'), ...sent], 1);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(rig.rooms.all).toEqual([]);
});

it('what comes after a request on the same connection is a request, or the end of it', async () => {
  const rig = await httpRig();
  const good = head(`Content-Length: ${OFFER.length}\r\n`) + OFFER;
  const answer = await exchange(rig.server.port, [`${good}${good}\0\0garbage\r\n\r\n${good}`]);
  // The second one's answer may be overtaken by the end of the connection.
  expect(answer.match(/HTTP\/1\.1 \d+/g)!.join(' ')).toMatch(/^HTTP\/1\.1 201 (HTTP\/1\.1 409 )?HTTP\/1\.1 400$/);
  expect(rig.rooms.all).toHaveLength(1);
});

it('more connections than allowed are dropped, and room comes back', async () => {
  const rig = await httpRig({ limits: { connections: 5 } });
  const held = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const socket = connect(rig.server.port, '127.0.0.1');
      await new Promise((resolve) => socket.once('connect', resolve));
      return socket;
    }),
  );
  await expect.poll(() => exchange(rig.server.port, ['GET /health HTTP/1.1\r\nHost: x\r\n\r\n'])).toBe('');
  for (const socket of held) socket.destroy();
  const close = 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  await expect.poll(() => exchange(rig.server.port, [close])).toMatch(/^HTTP\/1\.1 200 /);
});

it('an upgrade elsewhere, or to something else, is refused', async () => {
  const rig = await httpRig();
  const upgrade = (path: string, to: string, more = '') =>
    exchange(rig.server.port, [
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${to}\r\n${more}\r\n`,
    ]);
  expect(await upgrade('/whip/cam', 'h2c')).toMatch(/^HTTP\/1\.1 400 /);
  expect(await upgrade('/ws', 'h2c')).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(await upgrade('/ws', 'websocket')).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(await upgrade('/ws', 'websocket', 'Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n')).toMatch(
    / 4\d\d /,
  );
  expect(await upgrade('/ws', 'websocket', 'Origin: https://evil.example\r\n')).toMatch(/^HTTP\/1\.1 403 /);
});

it('a client that has gone before it is answered leaves no session', async () => {
  const rig = await httpRig();
  let answer = () => {};
  rig.rooms.before = () =>
    new Promise<void>((resolve) => {
      answer = resolve;
    });
  const socket = connect(rig.server.port, '127.0.0.1');
  socket.write(head(`Content-Length: ${OFFER.length}\r\n`) + OFFER);
  await expect.poll(() => answer.name).not.toBe('answer');
  socket.destroy();
  // Both ends: the server has seen it.
  await expect.poll(() => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap')).toEqual([]);
  answer();
  await expect.poll(() => rig.rooms.all.length).toBe(1);
  await expect.poll(() => rig.rooms.running.length).toBe(0);
});

it('a body that comes when draining has begun opens no session; half a request does not hold up the end', async () => {
  const rig = await httpRig();
  await rig.post('/whip/running');
  const socket = connect(rig.server.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => {
    answer += data.toString();
  });
  socket.on('error', () => {});
  const gone = new Promise((resolve) => socket.once('close', resolve));
  socket.write(head(`Content-Length: ${OFFER.length}\r\n`));
  // An answer of another connection comes after the server has read this one's header.
  await rig.fetch('/whip/cam');
  const closing = rig.server.close({ drainMs: 3_600_000 });
  socket.write(OFFER);
  await expect.poll(() => answer).toMatch(/^HTTP\/1\.1 503 /);
  expect(rig.rooms.all).toHaveLength(1);
  socket.write(head('Content-Length: 100\r\n').slice(0, 30));
  // Not after the hour that was said first.
  await rig.server.close({ drainMs: 0 });
  await Promise.all([closing, gone]);
});

it('localhost is one address, with the limits of one', async () => {
  const rig = await httpRig({ host: 'localhost' });
  expect(rig.server.url).toBe(`http://localhost:${rig.server.port}`);
  expect((await rig.fetch('/health')).status).toBe(200);
  const other = connect(rig.server.port, '::1');
  expect(await new Promise((resolve) => other.once('error', () => resolve('refused')).once('connect', resolve))).toBe(
    'refused',
  );
});

it('nothing stays after closing: no socket, no timer', async () => {
  const before = process.getActiveResourcesInfo().length;
  for (let round = 0; round < 3; round++) {
    const rig = await httpRig();
    await rig.post('/whip/cam');
    const socket = connect(rig.server.port, '127.0.0.1');
    const gone = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    await rig.server.close();
    await gone;
    await expect(rig.fetch('/health')).rejects.toThrow();
    expect(rig.rooms.closedBecause).toBe('The server ended.');
  }
  await expect.poll(() => process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
});
