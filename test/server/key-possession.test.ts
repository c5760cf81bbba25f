import { describe, expect, it } from 'vitest';
import {
  CipherContext,
  DtlsClient,
  DtlsServer,
  RTCCertificate,
  RTCPeerConnection,
  RTCRtpCodecParameters,
} from 'werift';
import type { PeerSession } from '../../src/server/rooms.js';
import { type HandshakeMessage, provePossession } from '../../src/server/rtc/key-possession.js';
import { createRooms } from '../../src/server/rtc/rooms.js';
import { until } from '../support/whep-rig.js';

type Certificate = Awaited<ReturnType<typeof CipherContext.createSelfSignedCertificateWithKey>>;
type Inside = { dtls: DtlsServer['dtls']; cipher: DtlsServer['cipher'] };

const ECDSA = { hash: 4, signature: 3 } as const;
const certificate = (): Promise<Certificate> => CipherContext.createSelfSignedCertificateWithKey(ECDSA);

/** A handshake of werift with itself. */
async function handshake(client: Certificate): Promise<DtlsServer> {
  const own = await certificate();
  const ends: { onData: (data: Buffer) => void }[] = [{ onData: () => {} }, { onData: () => {} }];
  const options = (at: number, { certPem, keyPem, signatureHash }: Certificate) => ({
    srtpProfiles: [7] as ConstructorParameters<typeof DtlsServer>[0]['srtpProfiles'] & {},
    extendedMasterSecret: true,
    cert: certPem,
    key: keyPem,
    signatureHash,
    transport: Object.assign(ends[at]!, {
      type: 'memory',
      closed: false,
      address: { port: 0, address: '', family: 'IPv4' },
      send: async (data: Buffer) => void setImmediate((copy) => ends[1 - at]!.onData(copy), Buffer.from(data)),
      close: async () => {},
    }),
  });
  const server = new DtlsServer({ ...options(0, own), certificateRequest: true });
  const calling = new DtlsClient(options(1, client));
  let connected = false;
  server.onConnect.once(() => {
    connected = true;
  });
  void calling.connect();
  await until('a handshake', () => connected);
  return server;
}

function prove(server: Inside, transcript = clientsPart(server)): void {
  provePossession({
    transcript,
    masterSecret: server.cipher.masterSecret,
    clientPublicKey: server.cipher.remoteKeyPair.publicKey!,
    certificate: server.cipher.remoteCertificate!,
  });
}

function clientsPart({ dtls }: Inside): HandshakeMessage[] {
  const answer = new Set(dtls.handshakeCache[6]?.data);
  return dtls.sortedHandshakeCache.filter((message) => !answer.has(message));
}

describe('a client', () => {
  it('who has the key of its certificate is who it says', async () => {
    prove(await handshake(await certificate()));
  });

  it('who has copied a certificate is refused', async () => {
    const [copied, own] = [await certificate(), await certificate()];
    const server = await handshake({ ...own, certPem: copied.certPem });
    expect(() => prove(server)).toThrow('is not signed by its certificate’s key');
  });

  it('whose key exchange was followed by another’s is refused', async () => {
    const stranger = await handshake(await certificate());
    const server = await handshake(await certificate());
    const { publicKey } = stranger.cipher.remoteKeyPair;
    Object.assign(server.cipher, { remoteKeyPair: { ...server.cipher.remoteKeyPair, publicKey } });
    expect(() => prove(server)).toThrow('has two key exchanges');
  });

  it.each([11, 15, 16, 20])('whose message %i is missing, or another one, is refused', async (type) => {
    const server = await handshake(await certificate());
    const all = clientsPart(server);
    const at = all.findLastIndex(({ msg_type }) => msg_type === type);
    expect(() => prove(server, all.toSpliced(at, 1))).toThrow('the peer’s handshake');
    const message = all[at]!;
    const changed = Buffer.from(message.fragment);
    changed[changed.length - 1]! ^= 1;
    const forged = { msg_type: type, fragment: changed, serialize: () => changed };
    expect(() => prove(server, all.toSpliced(at, 1, forged))).toThrow('the peer’s handshake');
  });

  it('whose hello was changed on its way is refused', async () => {
    const server = await handshake(await certificate());
    const [hello, ...rest] = clientsPart(server);
    const bytes = hello!.serialize();
    bytes[40]! ^= 1;
    expect(() => prove(server, [{ ...hello!, serialize: () => bytes }, ...rest])).toThrow('is not signed');
  });
});

it('a publisher who has copied somebody’s certificate gets no connection', async () => {
  const rooms = createRooms({ network: { host: '127.0.0.1' } });
  const [copied, own] = [await certificate(), await certificate()];
  const connect = async (
    stream: string,
    certPem: string,
    keyPem: string,
  ): Promise<[RTCPeerConnection, PeerSession]> => {
    const peer = new RTCPeerConnection({
      iceServers: [],
      certificates: [new RTCCertificate(keyPem, certPem, ECDSA)],
      codecs: { video: [new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90_000 })], audio: [] },
    });
    peer.addTransceiver('video', { direction: 'sendonly' });
    await peer.setLocalDescription(await peer.createOffer());
    const session = await rooms.publish(stream, peer.localDescription?.sdp ?? '');
    await peer.setRemoteDescription({ type: 'answer', sdp: session.answerSdp });
    return [peer, session];
  };
  const [honest] = await connect('a', own.certPem, own.keyPem);
  await until('a connection', () => honest.connectionState === 'connected');
  const [forger, session] = await connect('b', copied.certPem, own.keyPem);
  expect(await session.closed).toMatch(/is not signed by its certificate’s key/);
  expect(rooms.session(session.id)).toBeUndefined();
  await Promise.all([honest.close(), forger.close(), rooms.close('The test is over.')]);
});
