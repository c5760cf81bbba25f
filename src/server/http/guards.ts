import cors from '@fastify/cors';
import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { HttpContext } from './context.js';
import { SDP } from './endpoints.js';
import { originPolicy } from './origins.js';
import { HttpProblem } from './problem.js';
import { SDP_FRAGMENT } from './trickle.js';

/** Paths and what may be done with them. */
const ALLOWED: readonly (readonly [path: RegExp, methods: string])[] = [
  [/^\/wh[ie]p\/[^/]+$/, 'GET, HEAD, POST, OPTIONS'],
  [/^\/sessions\/[^/]+$/, 'GET, HEAD, PATCH, DELETE, OPTIONS'],
  [/^\/(health|ready|metrics|api\/streams)$/, 'GET, HEAD, OPTIONS'],
  [/^\/ws$/, 'GET, OPTIONS'],
];
/** Asked often, by machines, and cheap. */
const UNLIMITED = new Set(['/health', '/ready']);

/** What every request passes, whatever its route: count and log, origin, CORS, rate, and whether there is such a route. */
export async function addGuards(app: FastifyInstance, { config, metrics, log }: HttpContext): Promise<void> {
  await app.register(rateLimit, {
    global: false,
    max: config.limits.requestsPerSecond,
    timeWindow: 1000,
    // A socket that has gone has no address any more. IPv6 counts by /64: one client has them all.
    keyGenerator: ({ ip }) => normalizeIP(ip ?? 'gone', 64),
  });
  const rate = app.createRateLimit();
  const allows = originPolicy(config.allowedOrigins, config.host);

  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const seconds = reply.elapsedTime / 1000;
    metrics.request(request.method, route, reply.statusCode, seconds);
    const { stream } = (request.params ?? {}) as { stream?: string };
    const line = { method: request.method, route, stream, status: reply.statusCode, ms: Math.round(seconds * 1000) };
    if (request.method === 'GET' || request.method === 'OPTIONS') log.debug(line, 'request');
    else log.info(line, 'request');
  });
  const refuseTooMany = async (request: FastifyRequest) => {
    const limit = await rate(request);
    if (limit.isAllowed || !limit.isExceeded) return;
    throw new HttpProblem(429, 'There are too many requests from this address.', {
      'retry-after': String(Math.max(1, limit.ttlInSeconds)),
    });
  };

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    if (!allows(request.headers.origin, request.headers.host)) {
      throw new HttpProblem(403, 'Pages of this origin may not use this server: see --allowed-origins.');
    }
    if (request.method !== 'OPTIONS') return;
    // The hook of CORS answers them, so that this is the place for all that they need.
    await refuseTooMany(request);
    const allow = allowedAt(request.url);
    if (allow === undefined) throw new HttpProblem(404, 'There is nothing here.');
    reply.header('allow', allow);
    if (allow.includes('POST')) reply.header('accept-post', SDP);
    if (allow.includes('PATCH')) reply.header('accept-patch', SDP_FRAGMENT);
  });
  await app.register(cors, {
    // Those that may not have been refused.
    origin: true,
    // Clients ask with OPTIONS themselves for ICE servers, which earlier drafts of WHIP had, or for what may be done.
    methods: 'GET, HEAD, POST, PATCH, DELETE, OPTIONS',
    allowedHeaders: 'Authorization, Content-Type, If-Match',
    exposedHeaders: 'Location, ETag, Link, Allow, Accept-Post, Accept-Patch, Retry-After, WWW-Authenticate',
    maxAge: 600,
    strictPreflight: false,
  });
  // After CORS, so that a page can read why it was refused.
  app.addHook('onRequest', async (request) => {
    if (!UNLIMITED.has(request.url)) await refuseTooMany(request);
    const allow = allowedAt(request.url);
    if (allow === undefined) throw new HttpProblem(404, 'There is nothing here.');
    if (request.is404) throw new HttpProblem(405, `Here is ${allow} only.`, { allow });
  });
}

function allowedAt(url: string): string | undefined {
  const path = url.split('?', 1)[0] ?? '';
  return ALLOWED.find(([pattern]) => pattern.test(path))?.[1];
}
