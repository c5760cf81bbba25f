import type { ModelSource } from '../model/source.js';
import type { NodeBackend } from '../node/options.js';
import { missingCodecs } from './codecs/load.js';
import { checkServerOptions } from './config.js';
import { createLog } from './http/log.js';
import { type HttpServer, startHttp } from './http/server.js';
import { shortId } from './http/sessions.js';
import { createMetrics } from './metrics.js';
import type { ServerConfig, ServerOptions } from './options.js';
import { createRooms } from './rtc/rooms.js';
import { processors } from './transcode/processors.js';

/**
 * Starts a server: publishers send by WHIP or WebSocket, viewers watch by WHEP or WebSocket, as sent or upscaled.
 *
 * @example
 * ```ts
 * const server = await createServer({ port: 8080, auth: { publishToken: 'secret', openWatch: true } });
 * ```
 * @throws TypeError when an option is wrong; the system's error when the port cannot be had
 */
export async function createServer(options: ServerOptions = {}): Promise<HttpServer> {
  return startServer(checkServerOptions(options));
}

/** {@link createServer} with options that have been checked. */
export async function startServer(config: ServerConfig): Promise<HttpServer> {
  const { media, limits, upscale } = config;
  const log = createLog(config.logLevel);
  const metrics = createMetrics({ process: true });
  const pool = processors(
    {
      scale: upscale.scale,
      ...(upscale.model === 'auto' ? {} : { model: upscale.model as ModelSource }),
      backend: upscale.backend as 'auto' | NodeBackend,
      lookahead: upscale.lookahead,
      budgetMs: upscale.budgetMs,
      ...(upscale.workers > 0 ? { workers: upscale.workers } : {}),
      maxPixels: limits.maxPixels,
    },
    {
      event: (event) => {
        if (event.type === 'fallback') log.warn(event, 'fallback');
      },
    },
  );
  const missing = missingCodecs();
  if (missing) log.warn(`Nothing is upscaled, streams are only given on as they were sent. ${missing}`);
  const rooms = createRooms({
    network: {
      host: media.host,
      ...(media.announcedAddress === undefined ? {} : { announcedAddress: media.announcedAddress }),
      ...(media.ports === undefined ? {} : { ports: media.ports }),
      iceServers: media.iceServers,
    },
    limits: {
      peers: limits.peers,
      streams: limits.streams,
      viewersPerStream: limits.viewersPerStream,
      maxSide: limits.maxSide,
      maxPixels: limits.maxPixels,
      maxBitrate: limits.maxBitrate,
      idleMs: limits.idleMs,
      connectTimeoutMs: limits.connectTimeoutMs,
      publisherGraceMs: limits.publisherGraceMs,
    },
    ...(missing ? {} : { openProcessor: pool.open }),
    pixelsPerSecond: () => pool.pixelsPerSecond,
    metrics,
    onEvent: ({ what, session, ...event }) =>
      log.info({ ...event, ...(session === undefined ? {} : { session: shortId(session) }) }, what),
  });
  const http = await startHttp(config, { rooms, metrics, log });
  const { url, port } = http;
  return {
    url,
    port,
    close: async (options) => {
      await http.close(options);
      await pool.ended();
    },
  };
}
