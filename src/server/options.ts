/** Tokens of one stream. A list where several are good. */
export interface StreamTokens {
  /** Tokens that may publish the stream. */
  readonly publish?: string | readonly string[];
  /** Tokens that may watch it. */
  readonly watch?: string | readonly string[];
}

/** A STUN or TURN server, as `RTCIceServer` of the browser has it. */
export interface IceServer {
  /** One or more `stun:`, `turn:` or `turns:` URLs. */
  readonly urls: string | readonly string[];
  /** For TURN. */
  readonly username?: string;
  /** For TURN. */
  readonly credential?: string;
}

/** UDP ports, both ends included. */
export interface PortRange {
  /** The lowest port. */
  readonly min: number;
  /** The highest port. */
  readonly max: number;
}

/** How much is logged, as pino has it. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** What somebody wants to do with a stream. */
export type StreamAction = 'publish' | 'watch';

/** What {@link Authorize} is asked. */
export interface AuthorizeQuestion {
  /** What is to be done. */
  readonly action: StreamAction;
  /** With which stream. */
  readonly stream: string;
  /** The bearer token, where there is one. */
  readonly token: string | undefined;
  /** The request it came with. */
  readonly request: {
    /** The client's address. */
    readonly ip: string;
    /** The page it comes from, where a browser says so. */
    readonly origin: string | undefined;
    /** All its headers, in small letters. */
    readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  };
}

/** Whether somebody may do something. What it throws refuses the request with 500 and goes to the log. */
export type Authorize = (question: AuthorizeQuestion) => boolean | Promise<boolean>;

/** Who may publish and watch. Without tokens and without a hook only a server that listens at loopback starts. */
export interface AuthOptions {
  /** Bearer token to publish any stream with. */
  readonly publishToken?: string;
  /** Bearer token to watch any stream with. */
  readonly watchToken?: string;
  /** Bearer tokens by stream: { "cam": { "publish": "a", "watch": ["b", "c"] } }; * is any stream. */
  readonly tokens?: Readonly<Record<string, StreamTokens>>;
  /** Anyone may watch; tokens are for publishing. */
  readonly openWatch?: boolean;
  /** Anyone who reaches the server may publish and watch. */
  readonly none?: boolean;
  /** Asked after the tokens, where there are any; both must agree. */
  readonly authorize?: Authorize;
}

/** How media reaches the server. */
export interface MediaOptions {
  /** IP address that media sockets are bound to; else that of HTTP. */
  readonly host?: string;
  /** IP address that peers are told, where the machine is behind NAT. */
  readonly announcedAddress?: string;
  /** Range of UDP ports for media; else the system chooses. */
  readonly ports?: PortRange;
  /** STUN and TURN servers, as RTCIceServer objects; peers are told them too. */
  readonly iceServers?: readonly IceServer[];
}

/** What one server bears. */
export interface LimitOptions {
  /** Publishers and viewers together. Default 100. */
  readonly peers?: number;
  /** Published streams. Default 50. */
  readonly streams?: number;
  /** Viewers of one stream. Default 50. */
  readonly viewersPerStream?: number;
  /** Pixels of a published picture's longer side. Default 1920. */
  readonly maxSide?: number;
  /** Pixels of a published picture. Default 2088960. */
  readonly maxPixels?: number;
  /** Bits a second that a publisher is asked to keep to. Default 4000000. */
  readonly maxBitrate?: number;
  /** Milliseconds without media after which a publisher has gone. Default 10000. */
  readonly idleMs?: number;
  /** Milliseconds that a peer has to connect. Default 15000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds that viewers wait for a publisher who has gone. Default 15000. */
  readonly publisherGraceMs?: number;
  /** Bytes of an offer or of any other HTTP body. Default 65536. */
  readonly sdpBytes?: number;
  /** ICE candidates that one session may send. Default 100. */
  readonly candidatesPerSession?: number;
  /** Bytes of a WebSocket message. Default 131072. */
  readonly messageBytes?: number;
  /** WebSocket messages a second on one connection; twice that at once. Default 20. */
  readonly messagesPerSecond?: number;
  /** WebSocket connections of one address. Default 50. */
  readonly socketsPerAddress?: number;
  /** Milliseconds after which a WebSocket is closed that is silent or has no session. Default 60000. */
  readonly socketIdleMs?: number;
  /** HTTP requests a second from one address. Default 20. */
  readonly requestsPerSecond?: number;
  /** TCP connections, WebSockets among them. Default 1000. */
  readonly connections?: number;
  /** Bytes of a request's header. Default 16384. */
  readonly headerBytes?: number;
  /** Milliseconds that a request's header may take. Default 10000. */
  readonly headersTimeoutMs?: number;
  /** Milliseconds that a whole request may take. Default 20000. */
  readonly requestTimeoutMs?: number;
}

/** How pictures are upscaled. */
export interface UpscaleSettings {
  /** Output pixels per input pixel along each side: 2 or 4. Default 2. */
  readonly scale?: number;
  /** The network: a shipped name, or the URL of a manifest. Default `auto`. */
  readonly model?: string;
  /** Where the network runs: auto, wasm, cpu, cuda or webgpu. Default `auto`. */
  readonly backend?: string;
  /** Frames to wait for after each frame, 0 to 3. Default 3. */
  readonly lookahead?: number;
  /** Milliseconds from a frame's arrival to its departure. Default 200. */
  readonly budgetMs?: number;
  /** Threads that upscale; 0 takes what the machine has. Default 0. */
  readonly workers?: number;
}

/**
 * Options of the server. Each can also be given as a flag, in the environment or in a JSON file: see `SETTINGS`.
 *
 * @example
 * { host: '0.0.0.0', auth: { publishToken: 'secret', openWatch: true }, media: { announcedAddress: '203.0.113.7' } }
 */
export interface ServerOptions {
  /** Address to listen at for HTTP and WebSocket. Default `127.0.0.1`. */
  readonly host?: string;
  /** TCP port to listen at; 0 takes a free one. Default 8080. */
  readonly port?: number;
  /** Origins of pages that may connect, or *; else only localhost and this host. */
  readonly allowedOrigins?: readonly string[];
  /** Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed. */
  readonly trustProxy?: readonly string[];
  /** Bearer token for /metrics; without one, only a local or open server has it. */
  readonly metricsToken?: string;
  /** Log level: trace, debug, info, warn, error, fatal or silent. Default `info`. */
  readonly logLevel?: LogLevel;
  /** Milliseconds that running sessions are given when the server ends. Default 5000. */
  readonly drainMs?: number;
  /** Who may publish and watch. */
  readonly auth?: AuthOptions;
  /** How peers reach the server. */
  readonly media?: MediaOptions;
  /** What one server bears. */
  readonly limits?: LimitOptions;
  /** How pictures are upscaled. */
  readonly upscale?: UpscaleSettings;
}

type Optional = 'metricsToken' | 'publishToken' | 'watchToken' | 'authorize' | 'host' | 'announcedAddress' | 'ports';
type Complete<T> = { readonly [K in Exclude<keyof T, Optional>]-?: NonNullable<T[K]> } & {
  readonly [K in Extract<keyof T, Optional>]: T[K] | undefined;
};

/** {@link ServerOptions}, checked and complete. */
export interface ServerConfig extends Complete<Omit<ServerOptions, 'host' | 'auth' | 'media' | 'limits' | 'upscale'>> {
  readonly host: string;
  readonly auth: Complete<AuthOptions>;
  readonly media: Complete<Omit<MediaOptions, 'host'>> & { readonly host: string };
  readonly limits: Complete<LimitOptions>;
  readonly upscale: Complete<UpscaleSettings>;
}
