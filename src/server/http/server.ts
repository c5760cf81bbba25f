import type { AddressInfo } from 'node:net';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Logger } from 'pino';
import { type Clock, realClock } from '../../pipeline/clock.js';
import type { ServerMetrics } from '../metrics.js';
import type { ServerConfig } from '../options.js';
import type { Rooms } from '../rooms.js';
import { createAccess } from './access.js';
import type { HttpContext } from './context.js';
import { addEndpoints, SDP } from './endpoints.js';
import { addGuards } from './guards.js';
import { HttpProblem, problemOf, rawProblem, sendProblem } from './problem.js';
import { addSessionResource } from './session-resource.js';
import { Sessions } from './sessions.js';
import { addSockets } from './sockets.js';
import { addStatus } from './status.js';
import { SDP_FRAGMENT } from './trickle.js';

/** What the HTTP side of a server works with. */
export interface HttpServices {
  readonly rooms: Rooms;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  /** Default: the real time. */
  readonly clock?: Clock;
}

/** The HTTP and WebSocket side of a server. */
export interface HttpServer {
  /** Where it listens: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The port of that. */
  readonly port: number;
  /**
   * Ends in good order: no session is opened any more and `/ready` says 503; those that run have `drainMs` to end by
   * themselves; then rooms are closed, and all connections. Called again, it can make the wait shorter.
   */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/** Makes the HTTP side without listening. */
export async function createHttpApp(
  config: ServerConfig,
  services: HttpServices,
): Promise<{ app: FastifyInstance; context: HttpContext; closeSockets: () => Promise<void> }> {
  const { rooms, metrics, log, clock = realClock } = services;
  const { limits } = config;
  const sessions = new Sessions({ rooms, metrics, log, limits });
  const access = createAccess(config.auth, clock);
  const context: HttpContext = { config, rooms, sessions, access, metrics, log, clock };

  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    // Its lines would have whole paths in them, and paths have session ids.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.sdpBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: 30_000,
    forceCloseConnections: true,
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    routerOptions: { maxParamLength: 128 },
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      // Node looks for slow requests only this often.
      connectionsCheckingInterval: Math.min(1000, Math.ceil(limits.headersTimeoutMs / 2)),
    },
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, problemOf(error)),
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
      else socket.end(rawProblem(STATUS_OF_CODE[error.code] ?? 400), () => socket.destroy());
    },
  });
  app.server.maxConnections = limits.connections;
  metrics.observe(rooms);

  app.removeAllContentTypeParsers();
  app.addContentTypeParser([SDP, SDP_FRAGMENT], { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, new TextDecoder('utf-8', { fatal: true }).decode(body as Buffer));
    } catch {
      done(new HttpProblem(400, 'The body must be UTF-8.'), undefined);
    }
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status === 500) request.log.error({ err: error }, 'request failed');
    return sendProblem(reply, problem);
  });

  await addGuards(app, context);
  addEndpoints(app, context);
  addSessionResource(app, context);
  addStatus(app, context);
  const sockets = addSockets(app, context);
  await app.ready();
  return { app, context, closeSockets: () => sockets.close() };
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/**
 * Starts the HTTP side.
 * @throws Error when the address cannot be listened at
 */
export async function startHttp(config: ServerConfig, services: HttpServices): Promise<HttpServer> {
  const { app, context, closeSockets } = await createHttpApp(config, services);
  try {
    // For localhost the library would open a second server beside, for IPv6, without this one's limits.
    await app.listen({ host: config.host === 'localhost' ? '127.0.0.1' : config.host, port: config.port });
  } catch (error) {
    await app.close();
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const { sessions, rooms, log, clock } = context;

  let shorten: ((ms: number) => void) | undefined;
  let closing: Promise<void> | undefined;
  const end = async (drainMs: number) => {
    sessions.drain();
    log.info({ sessions: sessions.size, drainMs }, 'draining');
    const { empty, stop } = sessions.whenEmpty();
    let cancel = clock.after(drainMs, stop);
    shorten = (ms) => {
      cancel();
      cancel = clock.after(ms, stop);
    };
    await empty;
    cancel();
    try {
      await rooms.close('The server ended.');
    } finally {
      await closeSockets();
      await app.close();
    }
    log.info('closed');
  };
  return {
    url: `http://${host}:${port}`,
    port,
    close({ drainMs = config.drainMs } = {}) {
      if (closing) shorten?.(drainMs);
      closing ??= end(drainMs);
      return closing;
    },
  };
}
