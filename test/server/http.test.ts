import { afterEach, expect, it } from 'vitest';
import { closeRigs, FRAGMENT, type HttpRig, httpRig, OFFER } from '../support/http-rig.js';

afterEach(closeRigs);

const FRAGMENT_TYPE = { 'content-type': 'application/trickle-ice-sdpfrag' };

/** A published stream, and where its session is. */
async function published(rig: HttpRig, stream = 'cam'): Promise<{ location: string; etag: string }> {
  const response = await rig.post(`/whip/${stream}`);
  expect(response.status).toBe(201);
  return { location: response.headers.get('location')!, etag: response.headers.get('etag')! };
}

async function refused(response: Response, status: number): Promise<string> {
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  const problem = (await response.json()) as { status: number; title: string; detail: string; type: string };
  expect(problem).toMatchObject({ status, type: 'about:blank', title: expect.any(String) });
  expect(problem.detail).toMatch(/^[A-Za-z].*\.$|--[a-z-]+\.?$/);
  return problem.detail;
}

it('WHIP: an offer gets 201 with an answer, a path that cannot be guessed, and a strong ETag', async () => {
  const rig = await httpRig();
  const response = await rig.post('/whip/cam');
  expect(response.status).toBe(201);
  expect(response.headers.get('content-type')).toBe('application/sdp');
  expect(await response.text()).toBe(rig.rooms.all[0]!.answerSdp);
  expect(response.headers.get('location')).toMatch(/^\/sessions\/[\w-]{22,}$/);
  expect(response.headers.get('etag')).toBe(`"${rig.rooms.all[0]!.etag}"`);
  expect(response.headers.get('accept-patch')).toBe('application/trickle-ice-sdpfrag');
  expect(response.headers.get('link')).toBeNull();
  expect(rig.rooms.all[0]).toMatchObject({ stream: 'cam', role: 'publisher', offer: OFFER });
});

it('WHEP: upscaled unless the source is asked for', async () => {
  const rig = await httpRig();
  await published(rig);
  expect((await rig.post('/whep/cam')).status).toBe(201);
  expect((await rig.post('/whep/cam?video=source')).status).toBe(201);
  expect((await rig.post('/whep/cam?video=upscaled')).status).toBe(201);
  expect(rig.rooms.all.slice(1).map(({ video }) => video)).toEqual(['upscaled', 'source', 'upscaled']);
  for (const query of ['video=raw', 'video=', 'video=source&video=source', 'video=__proto__']) {
    await refused(await rig.post(`/whep/cam?${query}`), 400);
  }
});

it('a session takes candidates by PATCH and ends by DELETE', async () => {
  const rig = await httpRig();
  const { location, etag } = await published(rig);
  const patch = await rig.fetch(location, {
    method: 'PATCH',
    body: FRAGMENT,
    headers: { ...FRAGMENT_TYPE, 'if-match': etag },
  });
  expect(patch.status).toBe(204);
  expect(patch.headers.get('etag')).toBeNull();
  expect(rig.rooms.all[0]!.fragments).toEqual([FRAGMENT]);
  // An entity tag is not for DELETE: it is ignored.
  const ended = await rig.fetch(location, { method: 'DELETE', headers: { 'if-match': '"other"' } });
  expect(ended.status).toBe(200);
  expect(await rig.rooms.all[0]!.closed).toBe('The client ended it.');
  await refused(await rig.fetch(location, { method: 'DELETE' }), 404);
  await refused(await rig.fetch(location), 404);
});

it('ETags: 428 without, 412 with another, 422 for an ICE restart', async () => {
  const rig = await httpRig();
  const { location, etag } = await published(rig);
  const patch = (headers: Record<string, string>, body = FRAGMENT) =>
    rig.fetch(location, { method: 'PATCH', body, headers: { ...FRAGMENT_TYPE, ...headers } });
  await refused(await patch({}), 428);
  await refused(await patch({ 'if-match': '"other"' }), 412);
  await refused(await patch({ 'if-match': `W/${etag}` }), 412);
  await refused(await patch({ 'if-match': etag.slice(1, -1) }), 412);
  const restart = FRAGMENT.replace('abcd', 'efgh');
  await refused(await patch({ 'if-match': '*' }, restart), 422);
  await refused(await patch({ 'if-match': '"*"' }, restart), 422);
  expect((await patch({ 'if-match': `"other", ${etag}` })).status).toBe(204);
  expect(rig.rooms.running).toHaveLength(1);
});

it('bodies of other types, too large ones, empty ones and nonsense are refused', async () => {
  const rig = await httpRig({ limits: { sdpBytes: 2048, candidatesPerSession: 3 } });
  await refused(await rig.post('/whip/cam', { headers: { 'content-type': 'text/plain' } }), 415);
  await refused(await rig.post('/whip/cam', { headers: { 'content-type': 'application/json' }, body: '{}' }), 415);
  await refused(await rig.post('/whip/cam', { headers: FRAGMENT_TYPE }), 415);
  await refused(await rig.post('/whip/cam', { headers: { 'content-encoding': 'gzip' } }), 415);
  await refused(await rig.fetch('/whip/cam', { method: 'POST' }), 415);
  await refused(await rig.post('/whip/cam', { body: '' }), 400);
  await refused(await rig.post('/whip/cam', { body: 'hello' }), 400);
  await refused(await rig.post('/whip/cam', { body: new Uint8Array([0x76, 0x3d, 0x30, 0x0a, 0xff, 0xfe]) }), 400);
  await refused(await rig.post('/whip/cam', { body: OFFER + 'a'.repeat(2048) }), 413);
  for (const name of ['..%2f..%2fetc', '%00', 'a b', '-cam', `${'a'.repeat(65)}`, '%E0%A4%A', 'c%C3%A4m']) {
    const response = await rig.post(`/whip/${name}`);
    expect([400, 404], name).toContain(response.status);
  }
  expect((await rig.post(`/whip/${'a'.repeat(4000)}`)).status).toBe(414);
  const { location, etag } = await published(rig);
  const patch = (body: string, type = FRAGMENT_TYPE['content-type']) =>
    rig.fetch(location, { method: 'PATCH', body, headers: { 'content-type': type, 'if-match': etag } });
  await refused(await patch(FRAGMENT, 'application/sdp'), 415);
  await refused(await patch(''), 400);
  await refused(await patch('hello'), 400);
  await refused(await patch('a=mid:0\r\n\r\na=mid:1'), 400);
  expect((await patch('a=candidate:1 1 udp 1 192.0.2.1 9 typ host\n'.repeat(2))).status).toBe(204);
  await refused(await patch('a=candidate:1 1 udp 1 192.0.2.1 9 typ host\n'.repeat(2)), 429);
  expect(rig.rooms.all).toHaveLength(1);
});

it('what rooms refuse keeps its status, and 503 says when to come again', async () => {
  const rig = await httpRig();
  await refused(await rig.post('/whep/cam'), 404);
  await published(rig);
  await refused(await rig.post('/whip/cam'), 409);
  await refused(await rig.post('/whep/cam', { body: `${OFFER}AV2` }), 406);
  const { SignallingError } = await import('../../src/server/rooms.js');
  rig.rooms.before = () => {
    throw new SignallingError(503, 'There is no room.');
  };
  const full = await rig.post('/whep/cam');
  expect(full.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(await refused(full, 503)).toBe('There is no room.');
});

it('what fails inside is 500, tells nothing, and is logged', async () => {
  const rig = await httpRig();
  rig.rooms.before = () => {
    throw new Error('the secret path /etc/keys');
  };
  const detail = await refused(await rig.post('/whip/cam'), 500);
  expect(detail).not.toContain('secret');
  expect(rig.log.join('')).toContain('the secret path');
});

it('GET is answered without content, other methods with 405 and Allow, other paths with 404', async () => {
  const rig = await httpRig();
  const { location } = await published(rig);
  // RFC 9725, section 4.1.
  for (const path of ['/whip/cam', '/whep/cam', location]) {
    const response = await rig.fetch(path);
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
  }
  for (const [method, path, allow] of [
    ['PUT', '/whip/cam', 'GET, HEAD, POST, OPTIONS'],
    ['PATCH', '/whip/cam', 'GET, HEAD, POST, OPTIONS'],
    ['DELETE', '/whep/cam', 'GET, HEAD, POST, OPTIONS'],
    ['POST', location, 'GET, HEAD, PATCH, DELETE, OPTIONS'],
    ['PROPFIND', location, 'GET, HEAD, PATCH, DELETE, OPTIONS'],
    ['POST', '/health', 'GET, HEAD, OPTIONS'],
    ['POST', '/ws', 'GET, OPTIONS'],
  ] as const) {
    const response = await rig.fetch(path, { method });
    expect(response.headers.get('allow'), `${method} ${path}`).toBe(allow);
    await refused(response, 405);
  }
  for (const path of ['/', '/whip', '/whip/', '/whip/a/b', '/sessions/', '/api', '/whop/cam', '/wheep/cam']) {
    await refused(await rig.fetch(path), 404);
    await refused(await rig.post(path), 404);
  }
  await refused(await rig.fetch('/sessions/nobody'), 404);
  await refused(await rig.fetch('/ws'), 426);
});

it('OPTIONS: Accept-Post, and preflights of pages', async () => {
  const rig = await httpRig();
  const { location } = await published(rig);
  const plain = await rig.fetch('/whip/cam', { method: 'OPTIONS' });
  expect(plain.status).toBe(204);
  expect(plain.headers.get('accept-post')).toBe('application/sdp');
  expect(plain.headers.get('allow')).toContain('POST');
  const preflight = await rig.fetch(location, {
    method: 'OPTIONS',
    headers: {
      origin: 'http://localhost:3000',
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'if-match,content-type,authorization',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('accept-patch')).toBe('application/trickle-ice-sdpfrag');
  expect(preflight.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
  expect(preflight.headers.get('access-control-allow-methods')).toContain('PATCH');
  expect(preflight.headers.get('access-control-allow-headers')).toBe('Authorization, Content-Type, If-Match');
  expect(preflight.headers.get('vary')).toContain('Origin');
  const answer = await rig.post('/whep/cam', { headers: { origin: 'http://localhost:3000' } });
  expect(answer.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
  for (const name of ['Location', 'ETag', 'Link']) {
    expect(answer.headers.get('access-control-expose-headers')!.split(', ')).toContain(name);
  }
  // A page can read why it was refused.
  const bad = await rig.post('/whep/none', { headers: { origin: 'http://localhost:3000' } });
  expect(bad.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
  await refused(bad, 404);
  await refused(await rig.fetch('/nothing', { method: 'OPTIONS' }), 404);
});

it('ICE servers are told by Link', async () => {
  const rig = await httpRig({
    media: {
      iceServers: [
        { urls: ['stun:stun.example.org', 'stun:stun.example.org:3479'] },
        { urls: 'turn:turn.example.org?transport=udp', username: 'an"na', credential: 'back\\slash' },
      ],
    },
  });
  const response = await rig.post('/whip/cam');
  expect(response.headers.get('link')).toBe(
    '<stun:stun.example.org>; rel="ice-server", <stun:stun.example.org:3479>; rel="ice-server", ' +
      '<turn:turn.example.org?transport=udp>; rel="ice-server"; username="an\\"na"; credential="back\\\\slash"; credential-type="password"',
  );
});

it('health, readiness and the list of streams', async () => {
  const rig = await httpRig();
  expect((await rig.fetch('/health')).status).toBe(200);
  expect((await rig.fetch('/ready')).status).toBe(200);
  expect(await (await rig.fetch('/api/streams')).json()).toEqual({ streams: [] });
  await published(rig);
  await rig.post('/whep/cam');
  expect(await (await rig.fetch('/api/streams')).json()).toEqual({ streams: rig.rooms.streams() });
  expect(rig.rooms.streams()).toMatchObject([{ name: 'cam', viewers: { upscaled: 1 } }]);
});

it('metrics: requests, sessions and what rooms say, without labels that clients invent', async () => {
  const rig = await httpRig();
  const { location } = await published(rig);
  await rig.post('/whep/cam?video=source');
  await rig.fetch('/whip/cam', { method: 'PROPFIND' });
  await rig.fetch('/nonsense/of/mine');
  let text = await (await rig.fetch('/metrics')).text();
  expect(text).toContain('mana_http_requests_total{method="POST",route="/whip/:stream",status="201"} 1');
  expect(text).toContain('mana_http_requests_total{method="other",route="none",status="405"} 1');
  expect(text).not.toContain('nonsense');
  expect(text).toContain('mana_sessions{role="publisher"} 1');
  expect(text).toContain('mana_sessions_opened_total{role="viewer",transport="whep"} 1');
  expect(text).toContain('mana_viewers{stream="cam",video="source"} 1');
  expect(text).toContain('mana_streams 1');
  await rig.fetch(location, { method: 'DELETE' });
  text = await (await rig.fetch('/metrics')).text();
  expect(text).toContain('mana_sessions{role="publisher"} 0');
  expect(text).toContain('mana_streams 0');
  expect(text).not.toContain('stream="cam"');
});

it('too many requests from one address get 429, readably for pages, and health stays', async () => {
  const rig = await httpRig({ limits: { requestsPerSecond: 1 } });
  const origin = { origin: 'http://localhost:1' };
  const all = await Promise.all(Array.from({ length: 20 }, () => rig.fetch('/whip/cam', { headers: origin })));
  const many = all.filter(({ status }) => status === 429);
  expect(many.length).toBeGreaterThanOrEqual(10);
  expect(many[0]!.headers.get('retry-after')).toBe('1');
  expect(many[0]!.headers.get('access-control-allow-origin')).toBe('http://localhost:1');
  await refused(many[0]!, 429);
  expect((await rig.fetch('/health')).status).toBe(200);
});
