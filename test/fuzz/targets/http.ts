import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { pino } from 'pino';
import { checkServerOptions } from '../../../src/server/config.js';
import { readConfig } from '../../../src/server/config-sources.js';
import { bearerToken } from '../../../src/server/http/access.js';
import { originPolicy } from '../../../src/server/http/origins.js';
import { HttpProblem } from '../../../src/server/http/problem.js';
import { createHttpApp } from '../../../src/server/http/server.js';
import { SignallingPeer } from '../../../src/server/http/signalling.js';
import { checkFragment, checkIfMatch } from '../../../src/server/http/trickle.js';
import { createMetrics } from '../../../src/server/metrics.js';
import { SignallingError } from '../../../src/server/rooms.js';
import { SETTINGS } from '../../../src/server/settings.js';
import { FRAGMENT, OFFER } from '../../support/http-rig.js';
import { MemoryRooms, MemorySession } from '../../support/memory-rooms.js';
import type { FuzzTarget } from '../target.js';

/** Inputs after which rooms in memory are emptied: they would fill up. */
const ROUND = 64;

const bytes = (...texts: string[]) => texts.map((text) => new Uint8Array(Buffer.from(text, 'latin1')));
const latin1 = (input: Uint8Array) => Buffer.from(input).toString('latin1');
const utf8 = (input: Uint8Array) => Buffer.from(input).toString('utf8');

/** A server that listens nowhere, and fails the run when anything in it fails. */
async function fuzzApp() {
  const rooms = new MemoryRooms();
  let failure: string | undefined;
  const log = pino({ level: 'error' }, { write: (line) => (failure ??= line) });
  const config = checkServerOptions({
    auth: { tokens: { '*': { publish: 'p' } }, openWatch: true },
    limits: {
      requestsPerSecond: 1e9,
      messagesPerSecond: 1e9,
      socketsPerAddress: 1e9,
      sdpBytes: 4096,
      messageBytes: 8192,
    },
  });
  const made = await createHttpApp(config, { rooms, metrics: createMetrics(), log });
  await rooms.publish('cam', OFFER);
  let runs = 0;
  return {
    ...made,
    rooms,
    /** Ends a run. @throws Error when the server failed inside */
    async check(): Promise<void> {
      if (failure !== undefined) throw new Error(failure);
      if (++runs % ROUND !== 0) return;
      for (const session of rooms.running) await session.close('round');
      rooms.all.length = 0;
      await rooms.publish('cam', OFFER);
    },
    async end(): Promise<void> {
      await rooms.close('end');
      await made.closeSockets();
      await made.app.close();
    },
  };
}

/** An app that is made with the first run. */
function lazyApp() {
  let app: ReturnType<typeof fuzzApp> | undefined;
  return {
    get: () => {
      app ??= fuzzApp();
      return app;
    },
    /** The next run makes another one. */
    dispose: () => {
      void app?.then(({ end }) => end());
      app = undefined;
    },
  };
}

/** A connection in memory: as TCP is, without its ports. */
class Wire extends Duplex {
  readonly remoteAddress = '192.0.2.1';
  readonly closed_: Promise<string>;
  #answer = '';

  constructor(sent: readonly (Uint8Array | string)[]) {
    super({ allowHalfOpen: true });
    this.closed_ = new Promise((resolve) => this.once('close', () => resolve(this.#answer)));
    for (const part of sent) this.push(part);
    // The end aborts requests that are not answered yet: two turns are enough for an answer.
    setImmediate(() => setImmediate(() => this.push(null)));
  }

  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#answer += chunk.toString('latin1');
    done();
  }
}

function checkAnswer(answer: string): void {
  if (/^HTTP\/1\.1 500 /m.test(answer)) throw new Error(`The server failed: ${answer}`);
}

/** Requests over the wire. */
export const REQUESTS = bytes(
  `POST /whip/cam2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer p\r\nContent-Type: application/sdp\r\nContent-Length: ${OFFER.length}\r\n\r\n${OFFER}`,
  `POST /whep/cam?video=source HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nTransfer-Encoding: chunked\r\n\r\n${OFFER.length.toString(16)}\r\n${OFFER}\r\n0\r\n\r\n`,
  'GET /api/streams HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost:3000\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n',
  'OPTIONS /sessions/abc HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost\r\nAccess-Control-Request-Method: PATCH\r\n\r\n',
  'PATCH /sessions/abc HTTP/1.1\r\nHost: x\r\nIf-Match: "a", *\r\nContent-Type: application/trickle-ice-sdpfrag\r\nContent-Length: 9\r\n\r\na=mid:0\r\n',
);

const UPGRADE =
  'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

const MESSAGES = bytes(
  JSON.stringify({ type: 'watch', id: 1, stream: 'cam', video: 'source', sdp: OFFER }),
  JSON.stringify({ type: 'publish', id: 'a', stream: 'cam3', sdp: OFFER, token: 'p' }),
  JSON.stringify({ type: 'candidate', session: 'abc', candidate: FRAGMENT }),
  JSON.stringify({ type: 'bye', session: 'abc' }),
);

/** A text frame with a mask of zeros, for short and medium texts. */
function frame(text: Uint8Array): Uint8Array {
  const size = text.length < 126 ? [0x80 | text.length] : [0xfe, text.length >> 8, text.length & 255];
  return new Uint8Array([0x81, ...size, 0, 0, 0, 0, ...text]);
}

/** Requests through the router, without the HTTP parser: the input's lines are method, path, header fields and body. */
function injectTarget(): FuzzTarget {
  const lazy = lazyApp();
  const METHODS = ['GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'PUT'] as const;
  return {
    name: 'http-inject',
    seeds: bytes(
      `1\n/whip/cam2\napplication/sdp\n"x"\nBearer p\nhttp://localhost\n${OFFER}`,
      `1\n/whep/cam?video=source\napplication/sdp; charset=utf-8\n*\n\n\n${OFFER}`,
      `2\n/sessions/SESSION\napplication/trickle-ice-sdpfrag\nETAG\n\n\n${FRAGMENT}`,
      '3\n/sessions/SESSION\n\n\n\n\n',
      '4\n/whip/%63am\n\n\n\nhttps://evil.example\n',
    ),
    async run(input) {
      const { app, rooms, check } = await lazy.get();
      const first = rooms.running[0];
      const lines = latin1(input)
        .replace('SESSION', first?.id ?? '')
        .replace('ETAG', `"${first?.etag}"`)
        .split('\n');
      const [method = '', path = '', type = '', ifMatch = '', authorization = '', origin = ''] = lines
        .slice(0, 6)
        .map((line) => line.replaceAll(/[^\x20-\x7e\x80-\xff]/g, ''));
      const answer = await app.inject({
        method: METHODS[method.charCodeAt(0) % METHODS.length] ?? 'GET',
        // With a host, or what begins with // would be one.
        url: `http://x/${path.slice(1).replaceAll(/[^\x21-\x7e]/g, '')}`,
        headers: {
          ...(type && { 'content-type': type }),
          ...(ifMatch && { 'if-match': ifMatch }),
          ...(authorization && { authorization }),
          ...(origin && { origin }),
        },
        payload: Buffer.from(lines.slice(6).join('\n'), 'latin1'),
      });
      if (answer.statusCode === 500) throw new Error(`500 for ${method} ${path}`);
      await check();
    },
    dispose: lazy.dispose,
  };
}

/** Bytes through the HTTP parser and everything behind it; each hundredth time over TCP. */
function wireTarget(name: string, seeds: readonly Uint8Array[], before: readonly string[]): FuzzTarget {
  const lazy = lazyApp();
  let runs = 0;
  return {
    name,
    seeds,
    async run(input) {
      const { app, check } = await lazy.get();
      if (++runs % 100 === 0) {
        if (!app.server.listening) await new Promise<void>((done) => app.server.listen(0, '127.0.0.1', done));
        checkAnswer(await overTcp(app.server.address(), [...before, input]));
      } else {
        const wire = new Wire([...before, input]);
        app.server.emit('connection', wire);
        checkAnswer(await wire.closed_);
      }
      await check();
    },
    dispose: lazy.dispose,
  };
}

/** Writes bytes to a port. @returns all that comes back */
export function overTcp(
  address: ReturnType<import('node:net').Server['address']>,
  sent: readonly (Uint8Array | string)[],
) {
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return new Promise<string>((resolve) => {
    const socket = connect(address.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
    for (const part of sent) socket.write(part);
    socket.end();
  });
}

/** Texts of WebSocket messages, through all that is behind the socket. */
function messageTarget(): FuzzTarget {
  const lazy = lazyApp();
  let peer: SignallingPeer | undefined;
  let runs = 0;
  return {
    name: 'ws-messages',
    seeds: MESSAGES,
    async run(input) {
      const { context, check } = await lazy.get();
      peer ??= new SignallingPeer(
        { send: JSON.stringify, close() {}, request: { ip: '192.0.2.1', headers: {} } },
        context,
      );
      await peer.receive(utf8(input));
      if (++runs % ROUND === 0) {
        peer.end();
        peer = undefined;
      }
      await check();
    },
    dispose: () => {
      peer?.end();
      peer = undefined;
      lazy.dispose();
    },
  };
}

/** Runs what may throw errors of some kinds only. */
function only(kinds: readonly (new (...parts: never[]) => Error)[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!kinds.some((kind) => error instanceof kind)) throw error;
  }
}

const session = new MemorySession('cam', 'viewer', 'source', OFFER);
const policy = originPolicy([], '0.0.0.0');

/** Attacks on all that HTTP and WebSocket clients, and those who write configurations, can send. */
export const targets: FuzzTarget[] = [
  injectTarget(),
  wireTarget('http-bytes', REQUESTS, []),
  wireTarget(
    'ws-frames',
    [...MESSAGES.map(frame), ...bytes('\x89\x80\0\0\0\0', '\x88\x82\0\0\0\0\x03\xe8')],
    [UPGRADE],
  ),
  messageTarget(),
  {
    name: 'sdp-fragment',
    seeds: bytes(FRAGMENT, 'a=end-of-candidates\r\n'),
    run: (input) => only([SignallingError], () => checkFragment(utf8(input))),
  },
  {
    name: 'http-fields',
    seeds: bytes('Bearer abc', '"a", W/"b", *', 'http://localhost:3000', 'https://[::1]:1'),
    run: (input) => {
      const text = latin1(input);
      bearerToken(text);
      policy(text, text);
      only([HttpProblem], () => checkIfMatch(text, session));
    },
  },
  {
    name: 'config-file',
    seeds: bytes(
      '{"host":"::1","port":1,"limits":{"peers":2},"auth":{"tokens":{"cam":{"watch":["a"]}}}}',
      '{"media":{"ports":{"min":1,"max":2},"iceServers":[{"urls":["turn:a"],"username":"b","credential":"c"}]}}',
      '{"allowedOrigins":["https://a.example"],"trustProxy":["10.0.0.0/8"],"upscale":{"scale":4,"budgetMs":1.5}}',
    ),
    run: (input) => only([TypeError], () => readConfig({ file: { name: 'file', text: utf8(input) } })),
  },
  {
    name: 'config-text',
    seeds: bytes('\x015', '\x0640000-40100', '{"cam":{"publish":"a"}}', 'https://a.example,*', '10.0.0.0/8'),
    run: (input) => {
      const setting = SETTINGS[(input[0] ?? 0) % SETTINGS.length];
      if (setting) only([TypeError], () => readConfig({ env: { [setting.env]: utf8(input.subarray(1)) } }));
    },
  },
];
