import { connect } from 'node:net';
import { Writable } from 'node:stream';
import type { Clock } from '../../src/pipeline/clock.js';
import { checkServerOptions } from '../../src/server/config.js';
import { createLog } from '../../src/server/http/log.js';
import { type HttpServer, startHttp } from '../../src/server/http/server.js';
import { createMetrics } from '../../src/server/metrics.js';
import type { ServerOptions } from '../../src/server/options.js';
import { MemoryRooms } from './memory-rooms.js';

export const OFFER =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n';
export const FRAGMENT =
  'a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 61764 typ host\r\n';

export interface HttpRig {
  readonly server: HttpServer;
  readonly rooms: MemoryRooms;
  /** Log lines, as they were written. */
  readonly log: string[];
  fetch(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, init?: RequestInit): Promise<Response>;
}

const open: HttpServer[] = [];

/** A server at a free port, with rooms in memory. @param clock default: the machine's */
export async function httpRig(options: ServerOptions = {}, clock?: Clock): Promise<HttpRig> {
  const rooms = new MemoryRooms();
  const log: string[] = [];
  const lines = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(chunk.toString());
      done();
    },
  });
  const config = checkServerOptions({
    port: 0,
    drainMs: 0,
    ...options,
    limits: { requestsPerSecond: 1000, ...options.limits },
  });
  const server = await startHttp(config, {
    rooms,
    metrics: createMetrics(),
    log: createLog('trace', lines),
    ...(clock ? { clock } : {}),
  });
  open.push(server);
  const url = `http://127.0.0.1:${server.port}`;
  const get = (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, init);
  const post = (path: string, init: RequestInit = {}) =>
    get(path, {
      method: 'POST',
      body: OFFER,
      ...init,
      headers: { 'content-type': 'application/sdp', ...(init.headers as Record<string, string>) },
    });
  return { server, rooms, log, fetch: get, post };
}

/** Ends the servers that were started. */
export async function closeRigs(): Promise<void> {
  await Promise.all(open.splice(0).map((server) => server.close({ drainMs: 0 })));
}

/** Writes bytes to a port and gives back all that comes until the other side ends it. */
export function exchange(port: number, chunks: readonly (string | Buffer)[], pauseMs = 0): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
    void (async () => {
      for (const chunk of chunks) {
        if (socket.destroyed) return;
        socket.write(chunk);
        if (pauseMs > 0) await new Promise((next) => setTimeout(next, pauseMs));
      }
    })();
  });
}
