import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { bearerToken } from './access.js';
import type { HttpContext } from './context.js';
import type { ServerMessage } from './messages.js';
import { HttpProblem, rawProblem } from './problem.js';
import { SignallingPeer } from './signalling.js';

/** The WebSocket side of a server. */
export interface Sockets {
  /** Ends all connections; settles when they are gone. */
  close(): Promise<void>;
}

const PATH = '/ws';
/** What may wait to be sent to one client: some answers. A client that does not read is cut off. */
const MAX_QUEUED_BYTES = 1024 * 1024;
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const POLICY_VIOLATION = 1008;
/** How long a client may take to answer a closing frame, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1000;

interface Connection {
  readonly socket: WebSocket;
  readonly peer: SignallingPeer;
  readonly ip: string;
  alive: boolean;
  /** When it last had a session. */
  usedAtMs: number;
}

/** Signalling by WebSocket at `/ws`, on the port of HTTP. */
export function addSockets(app: FastifyInstance, context: HttpContext): Sockets {
  const { config, metrics, clock, log, access, sessions } = context;
  const { messageBytes, socketsPerAddress, socketIdleMs } = config.limits;
  const connections = new Set<Connection>();
  const upgrades = new WeakMap<IncomingMessage, { socket: Duplex; head: Buffer }>();
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: messageBytes,
    // A message of many tiny pieces would cost far more memory than its bytes.
    maxFragments: 256,
  });

  // An upgrade is a request like others: rate, origin and log are those of all routes.
  app.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (request.url?.split('?', 1)[0] !== PATH) {
      // Its body, if it has one, has not been read and never will be.
      socket.end(rawProblem(400));
      return;
    }
    upgrades.set(request, { socket, head });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // Over TCP it is one, which the types of Node do not say.
    response.assignSocket(socket as Socket);
    response.on('finish', () => socket.end());
    app.routing(request, response);
  });

  app.get(PATH, { exposeHeadRoute: false }, (request, reply) => {
    const upgrade = upgrades.get(request.raw);
    if (!upgrade) throw new HttpProblem(426, 'Here a WebSocket is opened.', { upgrade: 'websocket' });
    sessions.refuseWhenDraining();
    const token = bearerToken(request.headers.authorization);
    if (request.headers.authorization !== undefined && !(token !== undefined && access.isKnown(token))) {
      throw new HttpProblem(401, 'The bearer token is not known here.', {
        'www-authenticate': 'Bearer realm="mana-upscale", error="invalid_token"',
      });
    }
    if ([...connections].filter(({ ip }) => ip === request.ip).length >= socketsPerAddress) {
      throw new HttpProblem(429, 'This address has too many connections.', { 'retry-after': '5' });
    }
    accept(request, reply, upgrade);
  });

  function accept(request: FastifyRequest, reply: FastifyReply, upgrade: { socket: Duplex; head: Buffer }): void {
    reply.hijack();
    reply.raw.detachSocket(request.raw.socket);
    const { ip, headers } = request;
    server.handleUpgrade(request.raw, upgrade.socket, upgrade.head, (socket) => connect(socket, { ip, headers }));
  }

  function connect(socket: WebSocket, request: Pick<FastifyRequest, 'ip' | 'headers'>): void {
    const peer = new SignallingPeer(
      {
        request,
        send: (message) => send(socket, message),
        close: (code, reason) => socket.close(code, reason),
      },
      context,
    );
    const connection: Connection = { socket, peer, ip: request.ip, alive: true, usedAtMs: clock.now() };
    connections.add(connection);
    metrics.socketOpened();
    schedule();
    // Too large, not UTF-8, not a frame: `ws` closes it, but an error without a listener would end the process.
    socket.on('error', () => socket.close());
    socket.on('pong', () => {
      connection.alive = true;
    });
    socket.on('ping', () => peer.allow());
    socket.on('message', (data, isBinary) => {
      connection.alive = true;
      if (isBinary) socket.close(UNSUPPORTED_DATA, 'messages are text');
      else peer.receive(textOf(data)).catch((error: unknown) => log.error({ err: error }, 'a message failed'));
    });
    socket.on('close', () => {
      connections.delete(connection);
      metrics.socketClosed();
      peer.end();
    });
  }

  function send(socket: WebSocket, message: ServerMessage): void {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > MAX_QUEUED_BYTES) {
      socket.terminate();
      return;
    }
    socket.send(JSON.stringify(message));
  }

  let cancel: (() => void) | undefined;
  function schedule(): void {
    cancel ??= clock.after(socketIdleMs / 2, () => {
      cancel = undefined;
      for (const connection of connections) watch(connection);
      if (connections.size > 0) schedule();
    });
  }

  /** Called twice in the time that a connection may be idle. */
  function watch(connection: Connection): void {
    const { socket, peer, alive } = connection;
    if (!alive) {
      socket.terminate();
      return;
    }
    if (peer.sessions > 0) connection.usedAtMs = clock.now();
    if (clock.now() - connection.usedAtMs >= socketIdleMs) socket.close(POLICY_VIOLATION, 'no session');
    connection.alive = false;
    if (socket.readyState === socket.OPEN) socket.ping();
  }

  return {
    async close() {
      cancel?.();
      const open = [...connections];
      await Promise.all(
        open.map(({ socket }) => {
          const gone = new Promise((resolve) => socket.once('close', resolve));
          const stop = clock.after(CLOSE_TIMEOUT_MS, () => socket.terminate());
          socket.close(GOING_AWAY, 'the server ends');
          return gone.finally(stop);
        }),
      );
    },
  };
}

/** Text frames come as one buffer each, of valid UTF-8: `ws` sees to both. */
function textOf(data: RawData): string {
  return Buffer.isBuffer(data) ? data.toString('utf8') : '';
}
