import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { MediaMetrics } from '../metrics.js';
import type { OpenProcessor } from '../processor.js';
import type { PortRange } from './udp-socket.js';

/** A STUN or TURN server, as `RTCIceServer` of the browser has it. */
export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/** How peers reach the server. */
export interface NetworkOptions {
  /** Address the sockets are bound to. `0.0.0.0` and `::` stand for all of the machine's addresses, without loopback. */
  readonly host: string;
  /** The address that peers are told instead, where the machine is behind NAT. */
  readonly announcedAddress?: string;
  /** UDP ports. Each peer takes one for each address; the system chooses when there is no range. */
  readonly ports?: PortRange;
  /** STUN and TURN servers that the server itself asks for more addresses. Default: none. */
  readonly iceServers?: readonly IceServer[];
}

/** What one server bears. */
export interface RoomLimits {
  /** Publishers and viewers together. */
  readonly peers: number;
  readonly streams: number;
  readonly viewersPerStream: number;
  /** Pixels of a published picture's longer side. */
  readonly maxSide: number;
  /** Pixels of a published picture. */
  readonly maxPixels: number;
  /** Bits a second that a publisher is asked to keep to. One that sends twice as much for five seconds is ended. */
  readonly maxBitrate: number;
  /** Milliseconds without media after which a publisher has gone. */
  readonly idleMs: number;
  /** Milliseconds that a peer has to connect. */
  readonly connectTimeoutMs: number;
  /** Milliseconds that viewers wait for a publisher who has gone. */
  readonly publisherGraceMs: number;
}

/** {@link RoomLimits} where none are given. */
export const DEFAULT_LIMITS: RoomLimits = {
  peers: 100,
  streams: 50,
  viewersPerStream: 50,
  maxSide: 1920,
  maxPixels: 1920 * 1088,
  maxBitrate: 4_000_000,
  idleMs: 10_000,
  connectTimeoutMs: 15_000,
  publisherGraceMs: 15_000,
};

/** Options of {@link createRooms}. */
export interface RoomsOptions {
  /** How peers reach the server. */
  readonly network: NetworkOptions;
  /** Parts of {@link DEFAULT_LIMITS} that are different. */
  readonly limits?: Partial<RoomLimits>;
  /** Starts what upscales. Without it there is no upscaled video. */
  readonly openProcessor?: OpenProcessor;
  /** Pixels a second that a processor can take now: of a simulcast, the best layer that fits is used. Default: no limit. */
  readonly pixelsPerSecond?: () => number;
  /** Told once a second what came since the last time. */
  readonly metrics?: MediaMetrics;
  /** Told of what ends and what is unusual. */
  readonly onEvent?: (event: RoomEvent) => void;
}

/** Something that happened to one stream. */
export interface RoomEvent {
  readonly stream: string;
  readonly session?: string;
  readonly what:
    | 'published'
    | 'connected'
    | 'watched'
    | 'ended'
    | 'picture-size'
    | 'layer'
    | 'level'
    | 'processor-opened'
    | 'processor-closed';
  readonly detail: string;
}

/**
 * Checks and completes limits.
 * @throws TypeError
 */
export function checkLimits(limits: Partial<RoomLimits> = {}): RoomLimits {
  const complete = { ...DEFAULT_LIMITS, ...limits };
  for (const [name, value] of Object.entries(complete)) {
    if (!(Number.isFinite(value) && value > 0))
      throw new TypeError(`options.limits.${name} must be a positive number.`);
  }
  return complete;
}

/**
 * Checks a network.
 * @throws TypeError
 */
export function checkNetwork(network: NetworkOptions): NetworkOptions {
  if (!isIP(network.host)) throw new TypeError('options.network.host must be an IP address.');
  if (network.announcedAddress !== undefined && !isIP(network.announcedAddress)) {
    throw new TypeError('options.network.announcedAddress, when provided, must be an IP address.');
  }
  const { ports } = network;
  if (ports && !(isPort(ports.min) && isPort(ports.max) && ports.min <= ports.max)) {
    throw new TypeError(
      'options.network.ports, when provided, must have ports from 1 to 65535 with min not above max.',
    );
  }
  return network;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65536;
}

/** The addresses that sockets are bound to. */
export function hostAddresses(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  const family = host === '::' ? 'IPv6' : 'IPv4';
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => address.family === family && !address.internal && !address.address.startsWith('fe80:'))
    .map(({ address }) => address);
  return own.length > 0 ? own : [family === 'IPv6' ? '::1' : '127.0.0.1'];
}
