/** How a setting's value is written as text, on a command line or in the environment. */
export type SettingKind =
  | 'text'
  | 'flag'
  | 'integer'
  | 'number'
  /** Comma-separated. */
  | 'list'
  /** `min-max`, or JSON with `min` and `max`. */
  | 'ports'
  | 'json';

/** One option of the server: where it stands in `ServerOptions`, how else it can be given, and what it is. */
export interface Setting {
  /** Where it stands in `ServerOptions`: `limits.peers`. */
  readonly path: string;
  /** On the command line, without dashes: `peers`. */
  readonly flag: string;
  /** In the environment: `MANA_PEERS`. */
  readonly env: string;
  readonly kind: SettingKind;
  /** `undefined`: it has none. */
  readonly fallback: unknown;
  /** What it is, in one sentence. Also the doc comment in `ServerOptions`; a test compares them. */
  readonly help: string;
  /** Of numbers, inclusive. */
  readonly min: number;
  readonly max: number;
}

interface Extra {
  readonly flag?: string;
  readonly min?: number;
  readonly max?: number;
}

const MAX_MS = 2 ** 31 - 1;

function setting(path: string, kind: SettingKind, fallback: unknown, help: string, extra: Extra = {}): Setting {
  const name = path.slice(path.lastIndexOf('.') + 1);
  const flag = extra.flag ?? name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const env = `MANA_${flag.replaceAll('-', '_').toUpperCase()}`;
  const max = extra.max ?? (name.endsWith('Ms') ? MAX_MS : 1e9);
  return { path, flag, env, kind, fallback, help, min: extra.min ?? 1, max };
}

/** Every option that can be written as text. The one place that knows their names, defaults, ranges and help. */
export const SETTINGS: readonly Setting[] = [
  setting('host', 'text', '127.0.0.1', 'Address to listen at for HTTP and WebSocket.'),
  setting('port', 'integer', 8080, 'TCP port to listen at; 0 takes a free one.', { min: 0, max: 65535 }),
  setting('allowedOrigins', 'list', [], 'Origins of pages that may connect, or *; else only localhost and this host.'),
  setting('trustProxy', 'list', [], 'Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed.'),
  setting(
    'metricsToken',
    'text',
    undefined,
    'Bearer token for /metrics; without one, only a local or open server has it.',
  ),
  setting('logLevel', 'text', 'info', 'Log level: trace, debug, info, warn, error, fatal or silent.'),
  setting('drainMs', 'integer', 5000, 'Milliseconds that running sessions are given when the server ends.', { min: 0 }),

  setting('auth.publishToken', 'text', undefined, 'Bearer token to publish any stream with.'),
  setting('auth.watchToken', 'text', undefined, 'Bearer token to watch any stream with.'),
  setting(
    'auth.tokens',
    'json',
    {},
    'Bearer tokens by stream: { "cam": { "publish": "a", "watch": ["b", "c"] } }; * is any stream.',
  ),
  setting('auth.openWatch', 'flag', false, 'Anyone may watch; tokens are for publishing.'),
  setting('auth.none', 'flag', false, 'Anyone who reaches the server may publish and watch.', { flag: 'no-auth' }),

  setting('media.host', 'text', undefined, 'IP address that media sockets are bound to; else that of HTTP.', {
    flag: 'media-host',
  }),
  setting(
    'media.announcedAddress',
    'text',
    undefined,
    'IP address that peers are told, where the machine is behind NAT.',
  ),
  setting('media.ports', 'ports', undefined, 'Range of UDP ports for media; else the system chooses.', {
    flag: 'udp-ports',
  }),
  setting('media.iceServers', 'json', [], 'STUN and TURN servers, as RTCIceServer objects; peers are told them too.'),

  setting('limits.peers', 'integer', 100, 'Publishers and viewers together.'),
  setting('limits.streams', 'integer', 50, 'Published streams.'),
  setting('limits.viewersPerStream', 'integer', 50, 'Viewers of one stream.'),
  setting('limits.maxSide', 'integer', 1920, "Pixels of a published picture's longer side.", { min: 16, max: 16384 }),
  setting('limits.maxPixels', 'integer', 1920 * 1088, 'Pixels of a published picture.', { min: 256 }),
  setting('limits.maxBitrate', 'integer', 4_000_000, 'Bits a second that a publisher is asked to keep to.', {
    min: 30_000,
  }),
  setting('limits.idleMs', 'integer', 10_000, 'Milliseconds without media after which a publisher has gone.'),
  setting('limits.connectTimeoutMs', 'integer', 15_000, 'Milliseconds that a peer has to connect.'),
  setting('limits.publisherGraceMs', 'integer', 15_000, 'Milliseconds that viewers wait for a publisher who has gone.'),
  setting('limits.sdpBytes', 'integer', 64 * 1024, 'Bytes of an offer or of any other HTTP body.', {
    min: 256,
    max: 64 * 1024,
  }),
  setting('limits.candidatesPerSession', 'integer', 100, 'ICE candidates that one session may send.'),
  setting('limits.messageBytes', 'integer', 128 * 1024, 'Bytes of a WebSocket message.', { min: 256, max: 2 ** 24 }),
  setting(
    'limits.messagesPerSecond',
    'integer',
    20,
    'WebSocket messages a second on one connection; twice that at once.',
  ),
  setting('limits.socketsPerAddress', 'integer', 50, 'WebSocket connections of one address.'),
  setting(
    'limits.socketIdleMs',
    'integer',
    60_000,
    'Milliseconds after which a WebSocket is closed that is silent or has no session.',
    { min: 20 },
  ),
  setting('limits.requestsPerSecond', 'integer', 20, 'HTTP requests a second from one address.'),
  setting('limits.connections', 'integer', 1000, 'TCP connections, WebSockets among them.'),
  setting('limits.headerBytes', 'integer', 16 * 1024, "Bytes of a request's header.", { min: 1024, max: 2 ** 20 }),
  setting('limits.headersTimeoutMs', 'integer', 10_000, "Milliseconds that a request's header may take.", { min: 50 }),
  setting('limits.requestTimeoutMs', 'integer', 20_000, 'Milliseconds that a whole request may take.', { min: 50 }),

  setting('upscale.scale', 'integer', 2, 'Output pixels per input pixel along each side: 2 or 4.', { min: 2, max: 4 }),
  setting('upscale.model', 'text', 'auto', 'The network: a shipped name, or the URL of a manifest.'),
  setting('upscale.backend', 'text', 'auto', 'Where the network runs: auto, wasm, cpu, cuda or webgpu.'),
  setting('upscale.lookahead', 'integer', 3, 'Frames to wait for after each frame, 0 to 3.', { min: 0, max: 3 }),
  setting('upscale.budgetMs', 'number', 200, "Milliseconds from a frame's arrival to its departure."),
  setting('upscale.workers', 'integer', 0, 'Threads that upscale; 0 takes what the machine has.', {
    min: 0,
    max: 1024,
  }),
];
