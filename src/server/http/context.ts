import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Clock } from '../../pipeline/clock.js';
import type { ServerMetrics } from '../metrics.js';
import type { AuthorizeQuestion, ServerConfig, StreamAction } from '../options.js';
import type { Rooms } from '../rooms.js';
import { type Access, bearerToken } from './access.js';
import type { Sessions } from './sessions.js';

/** What all routes share. */
export interface HttpContext {
  readonly config: ServerConfig;
  readonly rooms: Rooms;
  readonly sessions: Sessions;
  readonly access: Access;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What {@link Access} is asked about a request. */
export function questionOf(
  request: Pick<FastifyRequest, 'ip' | 'headers'>,
  action: StreamAction,
  stream: string,
  token = bearerToken(request.headers.authorization),
): AuthorizeQuestion {
  const { ip, headers } = request;
  return { action, stream, token, request: { ip, origin: headers.origin, headers } };
}
