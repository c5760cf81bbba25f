import { afterEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import type { ServerMessage } from '../../src/server/http/messages.js';
import { TokenBucket } from '../../src/server/http/token-bucket.js';
import { VirtualClock } from '../support/clock.js';
import { FRAGMENT, httpRig, OFFER } from '../support/http-rig.js';
import { type Client, client, closeClients, refusedWith } from '../support/ws-client.js';

afterEach(closeClients);

it('a stream is published, watched, trickled and ended over one connection', async () => {
  const rig = await httpRig();
  const peer = await client(rig);
  peer.send({ type: 'publish', id: 1, stream: 'cam', sdp: OFFER });
  const answer = (await peer.next()) as Extract<ServerMessage, { type: 'answer' }>;
  const [publisher] = rig.rooms.all;
  expect(answer).toEqual({
    type: 'answer',
    id: 1,
    session: publisher!.id,
    sdp: publisher!.answerSdp,
    etag: `"${publisher!.etag}"`,
  });
  peer.send({ type: 'watch', id: 'w', stream: 'cam', video: 'source', sdp: OFFER });
  expect(await peer.next()).toMatchObject({ type: 'answer', id: 'w', session: rig.rooms.all[1]!.id });
  peer.send({ type: 'watch', id: 'v', stream: 'cam', sdp: OFFER });
  await peer.next();
  expect(rig.rooms.all.map(({ video }) => video)).toEqual(['source', 'source', 'upscaled']);

  peer.send({ type: 'candidate', session: answer.session, candidate: FRAGMENT });
  await expect.poll(() => publisher!.fragments).toEqual([FRAGMENT]);
  peer.send({ type: 'candidate', session: answer.session, candidate: FRAGMENT.replace('abcd', 'efgh') });
  expect(await peer.next()).toMatchObject({ type: 'error', session: answer.session, status: 422 });

  peer.send({ type: 'bye', session: answer.session });
  expect(await peer.next()).toEqual({ type: 'closed', session: answer.session, reason: 'The client ended it.' });
  // Whoever ends it: the client is told.
  await rig.rooms.all[1]!.close('idle');
  expect(await peer.next()).toEqual({ type: 'closed', session: rig.rooms.all[1]!.id, reason: 'idle' });
  const metrics = await (await rig.fetch('/metrics')).text();
  expect(metrics).toContain('mana_ws_messages_total{type="candidate"} 2');
  expect(metrics).toContain('mana_sessions_opened_total{role="publisher",transport="ws"} 1');
});

it('sessions end with their connection, also one that was still being opened', async () => {
  const rig = await httpRig();
  const peer = await client(rig);
  peer.send({ type: 'publish', id: 1, stream: 'cam', sdp: OFFER });
  await peer.next();
  let answer = () => {};
  let asked = false;
  rig.rooms.before = () =>
    new Promise<void>((resolve) => {
      asked = true;
      answer = resolve;
    });
  peer.send({ type: 'publish', id: 2, stream: 'cam2', sdp: OFFER });
  await expect.poll(() => asked).toBe(true);
  peer.socket.terminate();
  await expect.poll(() => rig.rooms.running.length).toBe(0);
  expect(await rig.rooms.all[0]!.closed).toBe('The signalling connection ended.');
  answer();
  await expect.poll(() => rig.rooms.all.length).toBe(2);
  await expect.poll(() => rig.rooms.running.length).toBe(0);
});

it('sessions of others are as good as none', async () => {
  const rig = await httpRig();
  await rig.post('/whip/cam');
  const { id } = rig.rooms.all[0]!;
  const peer = await client(rig);
  peer.send({ type: 'bye', session: id });
  expect(await peer.next()).toMatchObject({ type: 'error', session: id, status: 404 });
  peer.send({ type: 'candidate', session: id, candidate: FRAGMENT });
  expect(await peer.next()).toMatchObject({ status: 404 });
  expect(rig.rooms.running).toHaveLength(1);
});

it('refusals have the status that HTTP has', async () => {
  const rig = await httpRig({ limits: { sdpBytes: 4096, candidatesPerSession: 1 } });
  const peer = await client(rig);
  const ask = async (message: object) => {
    peer.send({ id: 7, stream: 'cam', sdp: OFFER, ...message });
    const answer = await peer.next();
    return answer.type === 'error' ? [answer.status, answer.id] : answer.type;
  };
  expect(await ask({ type: 'watch' })).toEqual([404, 7]);
  expect(await ask({ type: 'publish' })).toBe('answer');
  expect(await ask({ type: 'publish' })).toEqual([409, 7]);
  expect(await ask({ type: 'watch', sdp: `${OFFER}AV2` })).toEqual([406, 7]);
  expect(await ask({ type: 'watch', sdp: OFFER + 'a'.repeat(4096) })).toEqual([413, 7]);
  expect(await ask({ type: 'watch', sdp: 'hello' })).toEqual([400, 7]);
  expect(await ask({ type: 'publish', stream: '../x' })).toEqual([400, 7]);
  rig.rooms.before = () => {
    throw new Error('secret');
  };
  expect(await ask({ type: 'watch' })).toEqual([500, 7]);
  expect(JSON.stringify(peer.received)).not.toContain('secret');
  expect(rig.log.join('')).toContain('secret');
  const session = rig.rooms.all[0]!.id;
  peer.send({ type: 'candidate', session, candidate: `${FRAGMENT}a=candidate:2` });
  expect(await peer.next()).toMatchObject({ type: 'error', session, status: 429 });
});

it('tokens come with the message or with the upgrade; an unknown one is refused at the door', async () => {
  const rig = await httpRig({ auth: { publishToken: 'p', watchToken: 'w' } });
  expect(await refusedWith(rig, { headers: { authorization: 'Bearer x' } })).toBe(401);
  expect(await refusedWith(rig, { headers: { authorization: 'Basic eDp5' } })).toBe(401);
  const peer = await client(rig);
  peer.send({ type: 'publish', id: 1, stream: 'cam', sdp: OFFER });
  expect(await peer.next()).toMatchObject({ id: 1, status: 401 });
  peer.send({ type: 'publish', id: 2, stream: 'cam', sdp: OFFER, token: 'w' });
  expect(await peer.next()).toMatchObject({ id: 2, status: 403 });
  peer.send({ type: 'publish', id: 3, stream: 'cam', sdp: OFFER, token: 'p' });
  expect(await peer.next()).toMatchObject({ id: 3, type: 'answer' });
  const viewer = await client(rig, { headers: { authorization: 'Bearer w' } });
  viewer.send({ type: 'watch', id: 4, stream: 'cam', sdp: OFFER });
  expect(await viewer.next()).toMatchObject({ id: 4, type: 'answer' });
  expect(rig.log.join('')).not.toMatch(/Bearer|ice-pwd/);
});

it('pages of other origins get no connection', async () => {
  const rig = await httpRig();
  expect(await refusedWith(rig, { origin: 'https://evil.example' })).toBe(403);
  await client(rig, { origin: 'http://localhost:3000' });
});

it('too many connections of one address, and too many upgrades, are refused', async () => {
  const rig = await httpRig({ limits: { socketsPerAddress: 2 } });
  const [first] = [await client(rig), await client(rig)];
  expect(await refusedWith(rig, {})).toBe(429);
  first.socket.close();
  await first.closed;
  await client(rig);
  const limited = await httpRig({ limits: { requestsPerSecond: 1 } });
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => refusedWith(limited, {})));
  expect(all.filter((one) => one.status === 'fulfilled' && one.value === 429).length).toBeGreaterThanOrEqual(4);
});

it('binary, oversize and broken frames end the connection, and only that', async () => {
  const rig = await httpRig({ limits: { messageBytes: 4096 } });
  const bystander = await client(rig);
  const binary = await client(rig);
  binary.socket.send(Buffer.from('{}'));
  expect(await binary.closed).toMatchObject({ code: 1003 });
  const large = await client(rig);
  large.send('x'.repeat(4097));
  expect(await large.closed).toMatchObject({ code: 1009 });
  const pieces = await client(rig);
  for (let piece = 0; piece < 300; piece++) pieces.socket.send('x', { fin: false });
  expect((await pieces.closed).code).toBe(1008);
  // Text that is not UTF-8, a reserved opcode, a frame without a mask.
  for (const [frame, code] of [
    ['8182000000 00fffe', 1007],
    ['8380000000 00', 1002],
    ['8102 7b7d', 1002],
  ] as const) {
    const broken = await client(rig);
    const { _socket: raw } = broken.socket as unknown as { _socket: NodeJS.WritableStream };
    raw.write(Buffer.from(frame.replaceAll(' ', ''), 'hex'));
    expect(await broken.closed, frame).toMatchObject({ code });
  }
  bystander.send({ type: 'publish', id: 1, stream: 'cam', sdp: OFFER });
  expect(await bystander.next()).toMatchObject({ type: 'answer' });
});

it('floods of messages and of pings end the connection', async () => {
  const rig = await httpRig({ limits: { messagesPerSecond: 5 } }, new VirtualClock());
  const flood = await client(rig);
  for (let message = 0; message < 50; message++) flood.send('{}');
  expect(await flood.closed).toMatchObject({ code: 1008 });
  const answers = flood.received.map((message) => message.type === 'error' && message.status);
  expect(answers.filter((status) => status === 400).length).toBeLessThanOrEqual(11);
  expect(answers.at(-1)).toBe(429);
  const pings = await client(rig);
  for (let ping = 0; ping < 50; ping++) pings.socket.ping();
  expect(await pings.closed).toMatchObject({ code: 1008 });
});

it('a connection has so many sessions and no more', async () => {
  const rig = await httpRig({ limits: { messagesPerSecond: 100 } });
  const peer = await client(rig);
  for (let id = 0; id < 20; id++) peer.send({ type: 'publish', id, stream: `cam${id}`, sdp: OFFER });
  await expect.poll(() => peer.received.length).toBe(20);
  expect(peer.received.filter(({ type }) => type === 'answer')).toHaveLength(16);
  expect(peer.received.filter((message) => message.type === 'error' && message.status === 429)).toHaveLength(4);
});

/** Waits until the server has the answer to so many pings: what a client sends afterwards comes after it. */
async function ponged(asked: Client, pings: number): Promise<void> {
  await expect.poll(() => asked.pings).toBe(pings);
  asked.send('{}');
  await asked.next();
}

it('silent connections and such without a session are closed; one with a session stays', async () => {
  const clock = new VirtualClock();
  const rig = await httpRig({ limits: { socketIdleMs: 1000 } }, clock);
  const idle = await client(rig);
  const used = await client(rig);
  used.send({ type: 'publish', id: 1, stream: 'cam', sdp: OFFER });
  await used.next();
  const dead = await client(rig, { autoPong: false });
  dead.send({ type: 'publish', id: 1, stream: 'cam2', sdp: OFFER });
  await dead.next();
  clock.to(500);
  await ponged(idle, 1);
  await ponged(used, 1);
  clock.to(1000);
  expect(await idle.closed).toMatchObject({ code: 1008, reason: 'no session' });
  expect(await dead.closed).toMatchObject({ code: 1006 });
  for (const [i, ms] of [1500, 2000, 2500].entries()) {
    await ponged(used, 2 + i);
    clock.to(ms);
  }
  expect(used.socket.readyState).toBe(WebSocket.OPEN);
  expect(rig.rooms.running.map(({ stream }) => stream)).toEqual(['cam']);
});

it('a client that does not read is cut off', async () => {
  const rig = await httpRig({ limits: { messagesPerSecond: 100_000 } });
  const peer = await client(rig);
  const { _socket: raw } = peer.socket as unknown as { _socket: { pause(): void; resume(): void } };
  raw.pause();
  const metric = async () => (await (await rig.fetch('/metrics')).text()).match(/mana_ws_connections (\d+)/)?.[1];
  const message = JSON.stringify({ type: 'watch', id: 'i'.repeat(64), stream: 'x', sdp: OFFER });
  for (let round = 0; round < 200 && (await metric()) === '1'; round++) {
    for (let count = 0; count < 500; count++) peer.send(message);
  }
  expect(await metric()).toBe('0');
});

it('malformed messages are answered, whatever they hold', async () => {
  const rig = await httpRig({ limits: { messagesPerSecond: 1000 } });
  const peer = await client(rig);
  const open = { type: 'publish', id: 1, stream: 'cam', sdp: OFFER };
  const malformed = [
    '',
    'x',
    '[]',
    'null',
    '"publish"',
    '{}',
    '{"type":"dance"}',
    '{"type":{}}',
    '['.repeat(50_000),
    `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    `{"type":"bye","session":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`,
    '{"__proto__":{"type":"bye","session":"x"}}',
    '{"type":"bye","session":"x","__proto__":{"admin":true}}',
    '{"type":"bye","session":"x","constructor":{"prototype":{}}}',
    '{"type":"bye"}',
    '{"type":"bye","session":5}',
    `{"type":"bye","session":"${'x'.repeat(129)}"}`,
    { ...open, id: undefined },
    { ...open, id: 1.5 },
    { ...open, id: 'x'.repeat(65) },
    { ...open, sdp: ['v=0'] },
    { ...open, sdp: '' },
    { ...open, stream: null },
    { ...open, video: 'raw' },
    { ...open, token: 5 },
    { ...open, more: 1 },
    { type: 'candidate', session: 'x', candidate: 5 },
  ];
  for (const message of malformed) {
    peer.send(message);
    expect(await peer.next(), JSON.stringify(message).slice(0, 80)).toMatchObject({ type: 'error', status: 400 });
  }
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  expect(rig.rooms.all).toEqual([]);
  // What was asked can be told where it can be read.
  peer.send({ type: 'dance', id: 5 });
  expect(await peer.next()).toMatchObject({ id: 5, status: 400 });
});

it('the bucket fills with time, never above twice a second', () => {
  const bucket = new TokenBucket(2, 0);
  const take = (nowMs: number, times: number) =>
    Array.from({ length: times }, () => bucket.take(nowMs)).filter(Boolean).length;
  expect(take(0, 10)).toBe(4);
  expect(take(499, 10)).toBe(0);
  expect(take(500, 10)).toBe(1);
  expect(take(100_000, 10)).toBe(4);
  expect(take(50_000, 10)).toBe(0);
});
