import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { UpscaleError } from '../../frame/errors.js';

/** Ports that sockets may have, both included. */
export interface PortRange {
  readonly min: number;
  readonly max: number;
}

/** An address and a port, as werift writes them. */
export type SocketAddress = readonly [host: string, port: number];

/** A burst of a keyframe at 8 Mbit/s, several times over. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/**
 * A UDP socket with the members that werift's ICE expects of its own. werift's binds to all interfaces, looks for a free
 * port before it binds, so that two may find the same one, and has no listener for errors: one of them ends the process.
 */
export class UdpSocket {
  readonly #socket: Socket;
  #closed: Promise<void> | undefined;
  /** Takes what arrives. */
  onData: (data: Buffer, from: SocketAddress) => void = () => {};
  readonly addressFamily: 4 | 6;
  readonly type = 'udp';

  private constructor(socket: Socket, family: 4 | 6) {
    this.#socket = socket;
    this.addressFamily = family;
    socket.on('message', (data, { address, port }) => this.onData(data, [address.split('%', 1)[0] ?? address, port]));
  }

  /**
   * Binds a socket.
   * @param address one of this machine's
   * @param ports where to look for a free port; the system's choice without it
   * @param random from 0 to 1: where in the range to begin
   * @throws UpscaleError `backend-unavailable` when no port of the range is free
   */
  static async open(address: string, ports?: PortRange, random: () => number = Math.random): Promise<UdpSocket> {
    const family = isIPv6(address) ? 6 : 4;
    if (!ports) return new UdpSocket(await bind(family, address, 0), family);
    const count = ports.max - ports.min + 1;
    const first = Math.floor(random() * count);
    let cause: unknown;
    for (let tried = 0; tried < count; tried++) {
      try {
        return new UdpSocket(await bind(family, address, ports.min + ((first + tried) % count)), family);
      } catch (error) {
        cause = error;
        if (!isTaken(error)) break;
      }
    }
    throw new UpscaleError('backend-unavailable', `No UDP port of ${ports.min}-${ports.max} is free on ${address}.`, {
      cause,
    });
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  get address(): { address: string; port: number; family: string } {
    return this.#socket.address();
  }

  get host(): string {
    return this.address.address;
  }

  get port(): number {
    return this.address.port;
  }

  send = async (data: Buffer, to?: SocketAddress): Promise<void> => {
    if (this.closed || !to) return;
    this.#socket.send(data, to[1], to[0]);
  };

  close = (): Promise<void> => {
    this.#closed ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closed;
  };
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES');
}

function bind(family: 4 | 6, address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      // What cannot be sent or received is a lost packet; ICE notices when nothing gets through any more.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
