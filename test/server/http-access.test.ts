import { afterEach, expect, it } from 'vitest';
import { checkServerOptions } from '../../src/server/config.js';
import { createAccess } from '../../src/server/http/access.js';
import { originPolicy } from '../../src/server/http/origins.js';
import type { AuthorizeQuestion } from '../../src/server/options.js';
import { VirtualClock } from '../support/clock.js';
import { closeRigs, FRAGMENT, httpRig, OFFER } from '../support/http-rig.js';

afterEach(closeRigs);

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

it('tokens: 401 without and with an unknown one, 403 with one for something else', async () => {
  const rig = await httpRig({
    auth: {
      watchToken: 'w-any',
      tokens: { cam: { publish: ['p-cam', 'p-cam2'], watch: 'w-cam' }, '*': { publish: 'p-any' } },
    },
  });
  const none = await rig.post('/whip/cam');
  expect(none.status).toBe(401);
  expect(none.headers.get('www-authenticate')).toBe('Bearer realm="mana-upscale"');
  const unknown = await rig.post('/whip/cam', bearer('nobody'));
  expect(unknown.status).toBe(401);
  expect(unknown.headers.get('www-authenticate')).toContain('error="invalid_token"');
  for (const authorization of ['p-cam', 'Basic cC1jYW06', 'Bearer', 'Bearer  ', 'Bearer a b', 'bearer\tp-cam']) {
    expect((await rig.post('/whip/cam', { headers: { authorization } })).status, authorization).toBe(401);
  }
  expect((await rig.post('/whip/cam', bearer('w-cam'))).status).toBe(403);
  expect((await rig.post('/whip/other', bearer('p-cam'))).status).toBe(403);
  expect((await rig.post('/whip/cam', bearer('p-cam2'))).status).toBe(201);
  expect((await rig.post('/whip/other', bearer('p-any'))).status).toBe(201);
  expect((await rig.post('/whep/cam', bearer('p-any'))).status).toBe(403);
  expect((await rig.post('/whep/cam', bearer('w-cam'))).status).toBe(201);
  expect((await rig.post('/whep/other', bearer('w-cam'))).status).toBe(403);
  expect((await rig.post('/whep/other', { headers: { authorization: 'bearer w-any' } })).status).toBe(201);

  const names = async (init?: RequestInit) => {
    const response = await rig.fetch('/api/streams', init);
    if (response.status !== 200) return response.status;
    return ((await response.json()) as { streams: { name: string }[] }).streams.map(({ name }) => name);
  };
  expect(await names()).toBe(401);
  expect(await names(bearer('w-cam'))).toEqual(['cam']);
  expect(await names(bearer('w-any'))).toEqual(['cam', 'other']);
  expect(await names(bearer('p-any'))).toEqual([]);
});

it('a stranger is refused before a body is read', async () => {
  const rig = await httpRig({ auth: { publishToken: 'secret' }, limits: { sdpBytes: 1024 } });
  expect((await rig.post('/whip/cam', { body: OFFER + 'a'.repeat(100_000) })).status).toBe(401);
  expect(rig.rooms.all).toEqual([]);
});

it('a session is used by whoever knows its path', async () => {
  const rig = await httpRig({ auth: { publishToken: 'secret' } });
  const response = await rig.post('/whip/cam', bearer('secret'));
  const etag = response.headers.get('etag')!;
  const patched = await rig.fetch(response.headers.get('location')!, {
    method: 'PATCH',
    body: FRAGMENT,
    headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': etag },
  });
  expect(patched.status).toBe(204);
});

it('openWatch lets anyone watch, and nobody publish', async () => {
  const rig = await httpRig({ auth: { publishToken: 'secret', openWatch: true } });
  expect((await rig.post('/whip/cam', bearer('secret'))).status).toBe(201);
  expect((await rig.post('/whep/cam')).status).toBe(201);
  expect((await rig.post('/whip/cam2')).status).toBe(401);
});

it('the hook is asked with all there is, and must say true', async () => {
  const asked: AuthorizeQuestion[] = [];
  let says: unknown = true;
  const rig = await httpRig({
    auth: {
      authorize: async (question) => {
        asked.push(question);
        if (says instanceof Error) throw says;
        return says as boolean;
      },
    },
  });
  const headers = { authorization: 'Bearer t0ken', origin: 'http://localhost:5', 'x-user': 'anna' };
  expect((await rig.post('/whip/cam', { headers })).status).toBe(201);
  expect(asked[0]).toMatchObject({ action: 'publish', stream: 'cam', token: 't0ken' });
  expect(asked[0]!.request).toMatchObject({
    ip: '127.0.0.1',
    origin: 'http://localhost:5',
    headers: { 'x-user': 'anna' },
  });
  for (says of [false, undefined, 'yes', 1]) {
    expect((await rig.post('/whep/cam', { headers })).status).toBe(403);
    expect((await rig.post('/whep/cam')).status).toBe(401);
  }
  says = new Error('the database of users is down: t0ken');
  const failed = await rig.post('/whep/cam', { headers });
  expect(failed.status).toBe(500);
  expect(await failed.text()).not.toContain('database');
  expect(rig.log.join('')).toContain('the database of users is down');
  expect((await rig.fetch('/api/streams', { headers })).status).toBe(500);
  expect(rig.rooms.all).toHaveLength(1);
});

it('tokens and a hook must agree', async () => {
  const rig = await httpRig({ auth: { publishToken: 'secret', authorize: ({ stream }) => stream === 'cam' } });
  expect((await rig.post('/whip/cam')).status).toBe(401);
  expect((await rig.post('/whip/other', bearer('secret'))).status).toBe(403);
  expect((await rig.post('/whip/cam', bearer('secret'))).status).toBe(201);
});

it('a hook that never answers is 503 after ten seconds', async () => {
  const clock = new VirtualClock();
  const { auth } = checkServerOptions({ auth: { authorize: () => new Promise(() => {}) } });
  const access = createAccess(auth, clock);
  const checked = access.check({
    action: 'watch',
    stream: 'cam',
    token: undefined,
    request: { ip: '::1', origin: undefined, headers: {} },
  });
  const refused = expect(checked).rejects.toMatchObject({ status: 503 });
  clock.to(9_999);
  expect(clock.pending).toBe(1);
  clock.to(10_000);
  await refused;
  expect(clock.pending).toBe(0);
});

it('metrics take a token of their own; without one only a local or open server has them', async () => {
  const closed = await httpRig({ metricsToken: 'm3trics' });
  expect((await closed.fetch('/metrics')).status).toBe(401);
  expect((await closed.fetch('/metrics', bearer('other'))).status).toBe(401);
  expect((await closed.fetch('/metrics', bearer('m3trics'))).status).toBe(200);
  const open = await httpRig({ host: '0.0.0.0', auth: { none: true } });
  expect((await open.fetch('/metrics')).status).toBe(200);
  const unset = await httpRig({ host: '0.0.0.0', auth: { publishToken: 'secret' } });
  expect((await unset.fetch('/metrics')).status).toBe(403);
});

it('pages of other origins are refused, whatever they ask', async () => {
  const rig = await httpRig();
  const evil = { headers: { origin: 'https://evil.example' } };
  for (const response of [
    await rig.post('/whip/cam', evil),
    await rig.fetch('/api/streams', evil),
    await rig.fetch('/whip/cam', { method: 'OPTIONS', ...evil }),
  ]) {
    expect(response.status).toBe(403);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  }
  expect(rig.rooms.all).toEqual([]);
});

it('which origins pass', () => {
  const local = originPolicy([], '127.0.0.1');
  const open = originPolicy([], '0.0.0.0');
  const listed = originPolicy(['https://a.example', 'null'], '0.0.0.0');
  const passes = (policy: typeof local, origin?: string, host?: string) => policy(origin, host);
  expect(passes(local)).toBe(true);
  expect(passes(local, 'http://localhost:3000', '127.0.0.1:8080')).toBe(true);
  expect(passes(local, 'http://127.0.0.1', '127.0.0.1:8080')).toBe(true);
  expect(passes(local, 'http://[::1]:5', '127.0.0.1:8080')).toBe(true);
  expect(passes(local, 'http://app.localhost', 'x')).toBe(true);
  // A name that was rebound to loopback.
  expect(passes(local, 'http://evil.example:8080', 'evil.example:8080')).toBe(false);
  expect(passes(local, 'http://127.0.0.1.evil.example', 'x')).toBe(false);
  expect(passes(local, 'null', 'x')).toBe(false);
  expect(passes(local, 'file://localhost', 'x')).toBe(false);
  expect(passes(local, 'http://localhost@evil.example', 'x')).toBe(false);
  expect(passes(open, 'https://tv.example:3000', 'tv.example:8080')).toBe(true);
  expect(passes(open, 'https://other.example', 'tv.example:8080')).toBe(false);
  expect(passes(open, 'https://tv.example', undefined)).toBe(false);
  expect(passes(listed, 'https://a.example', 'x')).toBe(true);
  expect(passes(listed, 'null', 'x')).toBe(true);
  expect(passes(listed, 'https://a.example:444', 'x')).toBe(false);
  expect(passes(listed, 'http://localhost:3000', 'localhost')).toBe(false);
  expect(passes(originPolicy(['*'], '0.0.0.0'), 'https://evil.example', 'x')).toBe(true);
});

it('logs name streams and sessions, never tokens, offers or whole session ids', async () => {
  const rig = await httpRig({ auth: { publishToken: 'sup3rsecret' } });
  await rig.post('/whip/cam?token=sup3rsecret', bearer('sup3rsecret'));
  await rig.post('/whip/cam', bearer('sup3rsecretwrong'));
  const { id } = rig.rooms.all[0]!;
  await rig.fetch(`/sessions/${id}`, { method: 'DELETE', ...bearer('sup3rsecret') });
  await rig.fetch(`/sessions/${id}/more`, bearer('sup3rsecret'));
  await rig.server.close();
  const log = rig.log.join('');
  expect(log).not.toContain('sup3rsecret');
  expect(log).not.toContain('ice-pwd');
  expect(log).not.toContain(id);
  const lines = rig.log.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toContainEqual(
    expect.objectContaining({ msg: 'session opened', stream: 'cam', session: id.slice(0, 6), role: 'publisher' }),
  );
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'session closed', reason: 'The client ended it.' }));
  expect(lines).toContainEqual(
    expect.objectContaining({ msg: 'request', method: 'POST', route: '/whip/:stream', stream: 'cam', status: 201 }),
  );
});

it('a proxy is believed when it is one of those that are trusted', async () => {
  const seen: string[] = [];
  const authorize = ({ request }: AuthorizeQuestion) => seen.push(request.ip) > 0;
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  await (await httpRig({ auth: { authorize } })).post('/whip/cam', { headers });
  await (await httpRig({ auth: { authorize }, trustProxy: ['127.0.0.0/8'] })).post('/whip/cam', { headers });
  expect(seen).toEqual(['127.0.0.1', '203.0.113.9']);
});
