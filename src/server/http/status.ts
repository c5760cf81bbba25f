import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopback } from '../config.js';
import type { StreamSummary } from '../rooms.js';
import { bearerToken, sameToken } from './access.js';
import { type HttpContext, questionOf } from './context.js';
import { HttpProblem } from './problem.js';

/** What machines ask: `/health`, `/ready`, `/metrics`, and `/api/streams` for those who may watch. */
export function addStatus(app: FastifyInstance, context: HttpContext): void {
  const { sessions, metrics } = context;

  app.get('/health', async () => ({ status: 'ok' }));

  app.get('/ready', async () => {
    if (sessions.draining) throw new HttpProblem(503, 'The server is about to end.', { 'retry-after': '5' });
    return { status: 'ready' };
  });

  app.get('/metrics', async (request, reply) => {
    checkMetricsToken(request, context);
    return reply
      .type(metrics.contentType)
      .header('cache-control', 'no-store')
      .send(await metrics.text());
  });

  app.get('/api/streams', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    return { streams: await watchable(request, context) };
  });
}

/** The streams that whoever asks may watch. */
async function watchable(request: FastifyRequest, { rooms, access }: HttpContext): Promise<StreamSummary[]> {
  const allowed: StreamSummary[] = [];
  let refusal: HttpProblem | undefined;
  for (const stream of rooms.streams()) {
    try {
      await access.check(questionOf(request, 'watch', stream.name));
      allowed.push(stream);
    } catch (error) {
      if (!(error instanceof HttpProblem) || error.status >= 500) throw error;
      if (error.status === 401) refusal = error;
    }
  }
  if (refusal && allowed.length === 0) throw refusal;
  return allowed;
}

function checkMetricsToken(request: FastifyRequest, { config }: HttpContext): void {
  const { metricsToken, auth, host } = config;
  if (metricsToken === undefined) {
    // Stream names stand in the metrics; who may not watch must not read them.
    if (auth.none || isLoopback(host)) return;
    throw new HttpProblem(403, 'Metrics of this server need a token that has not been set: --metrics-token.');
  }
  const token = bearerToken(request.headers.authorization);
  if (token !== undefined && sameToken(token, metricsToken)) return;
  throw new HttpProblem(401, 'Metrics take a bearer token of their own.', {
    'www-authenticate': 'Bearer realm="mana-upscale metrics"',
  });
}
