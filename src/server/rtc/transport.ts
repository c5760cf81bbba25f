import {
  IceCandidate,
  parseIceServers,
  RTCDtlsFingerprint,
  RTCDtlsParameters,
  RTCDtlsTransport,
  RTCIceGatherer,
  RTCIceParameters,
  RTCIceTransport,
  type RtpHeader,
} from 'werift';
import { reasonOf } from '../../frame/errors.js';
import { DatagramGate } from './gate.js';
import { provePossession } from './key-possession.js';
import { hostAddresses, type NetworkOptions } from './options.js';
import { updateRolloverCount } from './rollover.js';
import { type RtcpMessage, readRtcp } from './rtcp.js';
import { type RtpPacket, readRtp } from './rtp-packet.js';
import type { RemoteCandidate, RemoteTransport } from './sdp.js';
import { type SocketAddress, UdpSocket } from './udp-socket.js';

/** What a {@link Transport} tells. */
export interface TransportListener {
  /** Media can flow both ways. */
  connected(): void;
  rtp(packet: RtpPacket): void;
  rtcp(message: RtcpMessage): void;
  /** It is over, by itself. Not told after `close()`. */
  failed(reason: string): void;
}

/** Stands between a socket and its handler in tests: to lose, delay and reorder datagrams. */
export type Impair = (data: Buffer, deliver: () => void) => void;

/** What an RTP packet's header has to offer to be sent: werift's, or less. */
export interface OutgoingHeader {
  readonly ssrc: number;
  readonly sequenceNumber: number;
  readonly serializeSize: number;
  serialize(size: number): Buffer;
}

/** AEAD_AES_128_GCM and AES128_CM_HMAC_SHA1_80 (RFC 5764, RFC 7714): the first costs half as much. */
const SRTP_PROFILES: ConstructorParameters<typeof RTCDtlsTransport>[3] = [0x0007, 0x0001];
/** RFC 5761, section 4. */
const FIRST_RTCP_TYPE = 192;
const LAST_RTCP_TYPE = 223;
const MIN_MEDIA_BYTES = 12;
const RTP_SOURCE_AT = 8;
const RTCP_SOURCE_AT = 4;
/** More than a peer's tracks and layers have, even if it begins anew some times. */
const MAX_SOURCES = 32;
/** Of STUN transactions werift keeps the numbers, too, to tell repetitions: newer ones do. */
const MAX_TRANSACTIONS = 256;
const STUN_TIMEOUT_SECONDS = 2;
const TURN_TIMEOUT_SECONDS = 4;
/** A number that no flight of a handshake has: those that wait to send again stop. */
const AFTER_LAST_FLIGHT = 99;

/** The last of a handshake (RFC 6347, section 4.2.4). */
const ANSWER_FLIGHT = 6;

/** Members of werift's ICE connection that are not public, and that are checked before they are relied on. */
interface ConnectionInside {
  checkList: { requestTransactionIds: Set<unknown> }[];
  ensureProtocol(protocol: ProtocolInside): void;
  getCandidatePromises(addresses: string[], timeout?: number): Promise<unknown>[];
}

interface ProtocolInside {
  transport?: UdpSocket;
  connectionMade?(useIpv4: boolean): Promise<void>;
  datagramReceived?(data: Buffer, from: SocketAddress): void;
}

interface SessionInside {
  localContext: { updateRolloverCount: typeof updateRolloverCount };
  remoteContext: { updateRolloverCount: typeof updateRolloverCount };
}

/**
 * ICE, DTLS and SRTP with one peer. werift does all three; its peer connection is left out, because what it adds (its own
 * reports, retransmission requests, depacketizers, routing by what an SDP says) is not what a server needs.
 */
export class Transport {
  readonly #ice: RTCIceTransport;
  readonly #dtls: RTCDtlsTransport;
  readonly #listener: TransportListener;
  readonly #gate: DatagramGate;
  readonly #sockets: UdpSocket[] = [];
  readonly #network: NetworkOptions;
  /** SSRCs of authentic packets: werift keeps something of each for ever. */
  readonly #sources = new Set<number>();
  #connected = false;
  #closed: Promise<void> | undefined;

  private constructor(network: NetworkOptions, listener: TransportListener, impair: Impair | undefined) {
    this.#network = network;
    this.#listener = listener;
    const ice = parseIceServers(
      (network.iceServers ?? []).map((server) => ({ ...server, urls: [server.urls].flat() })),
    );
    const gatherer = new RTCIceGatherer({
      ...ice,
      stunGatherTimeout: STUN_TIMEOUT_SECONDS,
      turnConnectTimeout: TURN_TIMEOUT_SECONDS,
      useIpv4: true,
      useIpv6: network.host.includes(':'),
      useTcp: false,
    });
    const { connection } = gatherer;
    // Without a server werift asks one of Google's.
    Object.assign(connection, { stunServer: ice.stunServer });
    this.#gate = new DatagramGate(() => ({
      usernameFragment: connection.localUsername,
      password: connection.localPassword,
    }));
    this.#ice = new RTCIceTransport(gatherer);
    this.#dtls = new RTCDtlsTransport({}, this.#ice, undefined, SRTP_PROFILES);
    this.#takeOverSockets(connection as unknown as ConnectionInside, impair);
    this.#ice.onStateChange.subscribe((state) => {
      if (state === 'failed' || state === 'closed') this.#fail('The network connection was lost.');
    });
    this.#dtls.onStateChange.subscribe((state) => {
      if (state === 'closed') this.#fail('The peer has left.');
      else if (state === 'failed') this.#fail('The secure connection could not be made.');
    });
    this.#dtls.startSrtp = () => this.#startSrtp();
  }

  /**
   * Binds sockets and learns the addresses to be reached at.
   * @throws UpscaleError when no port is free
   */
  static async open(
    network: NetworkOptions,
    remote: RemoteTransport,
    listener: TransportListener,
    impair?: Impair,
  ): Promise<Transport> {
    await RTCDtlsTransport.SetupCertificate();
    const transport = new Transport(network, listener, impair);
    try {
      await transport.#prepare(remote);
      return transport;
    } catch (error) {
      await transport.close();
      throw error;
    }
  }

  /** For the answer. */
  get local(): { usernameFragment: string; password: string; fingerprint: string; candidates: readonly string[] } {
    const { usernameFragment, password } = this.#ice.localParameters;
    const { announcedAddress } = this.#network;
    const candidates = this.#ice.localCandidates.map((candidate) => {
      const announced = announcedAddress !== undefined && candidate.type === 'host';
      const { foundation, component, protocol, priority, port, type } = candidate;
      const base = `${foundation.replace('candidate:', '')} ${component} ${protocol} ${priority}`;
      const related = candidate.relatedAddress
        ? ` raddr ${candidate.relatedAddress} rport ${candidate.relatedPort}`
        : '';
      return `candidate:${base} ${announced ? announcedAddress : candidate.ip} ${port} typ ${type}${related}`;
    });
    const fingerprint = this.#dtls.localParameters.fingerprints[0];
    return {
      usernameFragment,
      password,
      fingerprint: fingerprint ? `${fingerprint.algorithm} ${fingerprint.value}` : '',
      candidates,
    };
  }

  get connected(): boolean {
    return this.#connected && !this.#closed;
  }

  /** Datagrams that were not let in. */
  get refused(): number {
    return this.#gate.refused;
  }

  set refused(count: number) {
    this.#gate.refused = count;
  }

  /** Begins to connect, as the side that is called by ICE and by DTLS; the listener hears how it ends. */
  start(): void {
    this.#connect().catch((error: unknown) => this.#fail(`No connection came about: ${reasonOf(error)}.`));
  }

  /** Takes another address of the peer's. */
  addCandidate(candidate: RemoteCandidate): void {
    if (this.#closed) return;
    const { foundation, component, priority, address, port, type } = candidate;
    const added = this.#ice.addRemoteCandidate(
      new IceCandidate(component, foundation, address, port, priority, 'udp', type),
    );
    added?.catch(() => {});
  }

  /** Sends a packet, when connected. Whatever prevents it is a lost packet. */
  sendRtp(header: OutgoingHeader, payload: Uint8Array): void {
    if (!this.connected) return;
    // Of a header it uses what OutgoingHeader has.
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.#send(this.#dtls.srtp.encrypt(bytes, header as RtpHeader));
  }

  /** Sends packets as one compound packet, when connected. */
  sendRtcp(packets: readonly Buffer[]): void {
    if (!this.connected) return;
    this.#send(this.#dtls.srtcp.encrypt(Buffer.concat(packets)));
  }

  #send(data: Buffer): void {
    this.#ice.connection.send(data).catch(() => {});
  }

  /** Closes the sockets. */
  close(): Promise<void> {
    // Later than the assignment: closing tells of itself, and would begin again.
    this.#closed ??= Promise.resolve().then(() => this.#close());
    return this.#closed;
  }

  async #prepare(remote: RemoteTransport): Promise<void> {
    this.#ice.setRemoteParams(
      new RTCIceParameters({
        usernameFragment: remote.usernameFragment,
        password: remote.password,
        iceLite: remote.iceLite,
      }),
    );
    this.#ice.connection.iceControlling = remote.iceLite;
    this.#dtls.role = 'server';
    this.#dtls.setRemoteParams(
      new RTCDtlsParameters(
        remote.fingerprints.map(({ algorithm, value }) => new RTCDtlsFingerprint(algorithm, value)),
        'client',
      ),
    );
    for (const candidate of remote.candidates) this.addCandidate(candidate);
    await this.#ice.gather();
    if (this.#openError) throw this.#openError;
  }

  #openError: unknown;

  async #connect(): Promise<void> {
    await this.#ice.start();
    if (this.#closed) return;
    await this.#dtls.start();
    if (this.#closed) return;
    this.#connected = true;
    this.#guard(() => this.#listener.connected());
  }

  /** In place of werift's, which reads packets for its peer connection. */
  #startSrtp(): void {
    this.#proveKeys();
    this.#dtls.updateSrtpSession();
    const { localContext, remoteContext } = this.#dtls.srtp as unknown as SessionInside;
    localContext.updateRolloverCount = updateRolloverCount;
    remoteContext.updateRolloverCount = updateRolloverCount;
    this.#gate.secured = true;
    this.#ice.connection.onData.subscribe((data) => {
      if (this.#closed || data.length < MIN_MEDIA_BYTES || data.readUInt8(0) >> 6 !== 2) return;
      this.#guard(() => this.#media(data));
    });
  }

  #proveKeys(): void {
    const { dtls, cipher, remoteCertificate } = this.#dtls.dtls ?? {};
    if (!dtls || !cipher?.remoteKeyPair.publicKey || !remoteCertificate) throw new Error('the handshake is not over');
    // The answer to the client's Finished is no part of what it vouches for.
    const answer = new Set(dtls.handshakeCache[ANSWER_FLIGHT]?.data);
    provePossession({
      transcript: dtls.sortedHandshakeCache.filter((message) => !answer.has(message)),
      masterSecret: cipher.masterSecret,
      clientPublicKey: cipher.remoteKeyPair.publicKey,
      certificate: remoteCertificate,
    });
  }

  #media(data: Buffer): void {
    const second = data.readUInt8(1);
    const isRtcp = second >= FIRST_RTCP_TYPE && second <= LAST_RTCP_TYPE;
    const source = data.readUInt32BE(isRtcp ? RTCP_SOURCE_AT : RTP_SOURCE_AT);
    if (!this.#sources.has(source) && this.#sources.size >= MAX_SOURCES) {
      this.#gate.refused++;
      return;
    }
    let plain: Buffer;
    try {
      plain = isRtcp ? this.#dtls.srtcp.decrypt(data) : this.#dtls.srtp.decrypt(data);
    } catch {
      // Not from the peer, or broken on the way.
      this.#gate.refused++;
      return;
    }
    this.#sources.add(source);
    if (isRtcp) {
      for (const message of readRtcp(plain)) this.#listener.rtcp(message);
      return;
    }
    const packet = readRtp(plain);
    if (packet) this.#listener.rtp(packet);
    else this.#gate.refused++;
  }

  /** Puts our sockets and the gate in front of werift's ICE. */
  #takeOverSockets(connection: ConnectionInside, impair: Impair | undefined): void {
    const addresses = hostAddresses(this.#network.host);
    const pending: string[] = [];
    const { ensureProtocol, getCandidatePromises } = connection;
    if (typeof ensureProtocol !== 'function' || typeof getCandidatePromises !== 'function') {
      throw new Error('This version of werift is not the one that was expected.');
    }
    connection.getCandidatePromises = (_found, timeout) => {
      pending.push(...addresses);
      return getCandidatePromises.call(connection, addresses, timeout);
    };
    connection.ensureProtocol = (protocol) => {
      ensureProtocol.call(connection, protocol);
      const receive = protocol.datagramReceived?.bind(protocol);
      if (!receive || !protocol.connectionMade) return;
      const gated = (data: Buffer, from: SocketAddress): void => {
        const admitted = this.#closed ? undefined : this.#gate.admit(data, from[0], from[1]);
        if (!admitted) return;
        this.#guard(() => receive(admitted, from));
        for (const { requestTransactionIds: ids } of connection.checkList) if (ids.size > MAX_TRANSACTIONS) ids.clear();
      };
      // It is called once for each address, in their order.
      protocol.connectionMade = async () => {
        const address = pending.shift() ?? this.#network.host;
        try {
          const socket = await UdpSocket.open(address, this.#network.ports);
          if (this.#closed) return void socket.close();
          this.#sockets.push(socket);
          protocol.transport = socket;
          socket.onData = impair ? (data, from) => impair(data, () => gated(data, from)) : gated;
        } catch (error) {
          this.#openError = error;
          throw error;
        }
      };
    };
  }

  /** A listener that throws is our fault, and no reason to end other peers. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(`Something went wrong inside the server: ${reasonOf(error)}.`);
    }
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    void this.close();
    this.#listener.failed(reason);
  }

  async #close(): Promise<void> {
    // A handshake that waits to send again looks at this.
    const dtls = this.#dtls.dtls as { dtls?: { flight: number } } | undefined;
    if (dtls?.dtls) dtls.dtls.flight = AFTER_LAST_FLIGHT;
    try {
      await this.#dtls.stop();
      await this.#ice.connection.close();
    } catch {
      // What counts are the sockets.
    }
    await Promise.all(this.#sockets.map((socket) => socket.close()));
  }
}
