import { afterEach, expect, it } from 'vitest';
import { exchange, httpRig, OFFER } from '../support/http-rig.js';
import { client, closeClients, refusedWith } from '../support/ws-client.js';

afterEach(closeClients);

it('draining: no new session, ready no more, running ones have their time, sockets are told', async () => {
  const rig = await httpRig();
  const peer = await client(rig);
  peer.send({ type: 'publish', id: 1, stream: 'cam', sdp: OFFER });
  await peer.next();
  const viewing = await rig.post('/whep/cam');
  const closing = rig.server.close({ drainMs: 60_000 });
  expect((await rig.fetch('/ready')).status).toBe(503);
  expect((await rig.fetch('/health')).status).toBe(200);
  const refused = await rig.post('/whep/cam');
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
  peer.send({ type: 'watch', id: 2, stream: 'cam', sdp: OFFER });
  expect(await peer.next()).toMatchObject({ id: 2, status: 503 });
  expect(await refusedWith(rig, {})).toBe(503);
  // What runs can still be ended; when all has ended there is nothing to wait for.
  expect(rig.rooms.running).toHaveLength(2);
  expect((await rig.fetch(viewing.headers.get('location')!, { method: 'DELETE' })).status).toBe(200);
  expect(rig.rooms.closedBecause).toBeUndefined();
  peer.send({ type: 'bye', session: rig.rooms.all[0]!.id });
  await closing;
  expect(await peer.closed).toMatchObject({ code: 1001 });
  await expect(rig.fetch('/health')).rejects.toThrow();
});

it('draining ends in time, and sooner when asked again', async () => {
  const rig = await httpRig();
  const peer = await client(rig);
  peer.send({ type: 'publish', id: 1, stream: 'cam', sdp: OFFER });
  await peer.next();
  // A drain that takes longer than any test may.
  const closing = rig.server.close({ drainMs: 3_600_000 });
  expect(rig.server.close({ drainMs: 50 })).toBe(closing);
  await closing;
  expect(rig.rooms.all[0]!.over).toBe(true);
  expect(peer.received.at(-1)).toEqual({ type: 'closed', session: rig.rooms.all[0]!.id, reason: 'The server ended.' });
});

it('a client that ignores the end is cut off; nothing stays', async () => {
  const before = process.getActiveResourcesInfo().length;
  const rig = await httpRig();
  const upgrade =
    'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  const stubborn = exchange(rig.server.port, [upgrade]);
  await expect
    .poll(async () => (await (await rig.fetch('/metrics')).text()).includes('mana_ws_connections 1'))
    .toBe(true);
  await rig.server.close();
  expect(await stubborn).toMatch(/^HTTP\/1\.1 101 /);
  await expect.poll(() => process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
});
