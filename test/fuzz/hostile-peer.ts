import { type RTCDtlsTransport, RTCPeerConnection, type RtpHeader, useOPUS, useVP8 } from 'werift';
import type { PeerSession } from '../../src/server/rooms.js';

/** What a peer's answer says about where the server is, and with which ICE words it is let in. */
export interface ServerSide {
  readonly port: number;
  readonly usernameFragment: string;
  readonly password: string;
}

/** Reads an answer. */
export function serverSide(answerSdp: string): ServerSide {
  const find = (pattern: RegExp): string => pattern.exec(answerSdp)?.[1] ?? '';
  return {
    port: Number(find(/a=candidate:\S+ 1 udp \d+ \S+ (\d+) typ host/)),
    usernameFragment: find(/a=ice-ufrag:(\S+)/),
    password: find(/a=ice-pwd:(\S+)/),
  };
}

/** A peer that signals as it should, has keys, and then sends what it likes. */
export class HostilePeer {
  readonly session: PeerSession;
  readonly server: ServerSide;
  readonly #pc: RTCPeerConnection;
  readonly #dtls: RTCDtlsTransport;

  private constructor(pc: RTCPeerConnection, dtls: RTCDtlsTransport, session: PeerSession) {
    this.#pc = pc;
    this.#dtls = dtls;
    this.session = session;
    this.server = serverSide(session.answerSdp);
  }

  /**
   * Signals, and begins to connect.
   * @param signal publishes or watches with an offer
   * @param handshake what is sent in place of a datagram of the DTLS handshake; default: the datagram
   */
  static async open(
    direction: 'sendonly' | 'recvonly',
    signal: (offer: string) => Promise<PeerSession>,
    handshake: (datagram: Buffer) => Buffer[] = (datagram) => [datagram],
  ): Promise<HostilePeer> {
    const pc = new RTCPeerConnection({
      codecs: { video: [useVP8()], audio: [useOPUS()] },
      iceServers: [],
      iceAdditionalHostAddresses: ['127.0.0.1'],
      iceUseIpv6: false,
    });
    pc.addTransceiver('video', { direction });
    await pc.setLocalDescription(await pc.createOffer());
    const session = await signal(pc.localDescription?.sdp ?? '');
    const dtls = pc.dtlsTransports[0];
    if (!dtls) throw new Error('werift has made no DTLS transport.');
    const { connection } = dtls.iceTransport;
    const send = connection.send.bind(connection);
    connection.send = async (datagram) => {
      const isHandshake = (datagram[0] ?? 0) < 64;
      for (const sent of isHandshake ? handshake(datagram) : [datagram]) await send(sent);
    };
    // The server may say no in the middle of it.
    void pc.setRemoteDescription({ type: 'answer', sdp: session.answerSdp }).catch(() => {});
    return new HostilePeer(pc, dtls, session);
  }

  get connected(): boolean {
    return this.#dtls.state === 'connected';
  }

  /** Sends a datagram as it is, over the connection that ICE found. */
  raw(datagram: Buffer): void {
    void this.#dtls.iceTransport.connection.send(datagram).catch(() => {});
  }

  /** Encrypts what may be no RTP packet at all, and sends it. */
  rtp(plain: Buffer): void {
    if (plain.length < 12) return;
    const header = {
      ssrc: plain.readUInt32BE(8),
      sequenceNumber: plain.readUInt16BE(2),
      serializeSize: 12,
      serialize: () => Buffer.from(plain.subarray(0, 12)),
    };
    this.#try(() => this.raw(this.#dtls.srtp.encrypt(Buffer.from(plain.subarray(12)), header as unknown as RtpHeader)));
  }

  /** Encrypts what may be no RTCP at all, and sends it. */
  rtcp(plain: Buffer): void {
    if (plain.length >= 8) this.#try(() => this.raw(this.#dtls.srtcp.encrypt(plain)));
  }

  async close(): Promise<void> {
    await this.session.close('The test has done with it.');
    await this.#pc.close();
  }

  /** Its own library may refuse what is too malformed. */
  #try(act: () => void): void {
    try {
      act();
    } catch {}
  }
}
