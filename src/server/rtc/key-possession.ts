import { createHash, createHmac, timingSafeEqual, verify, X509Certificate } from 'node:crypto';

/** A handshake message, whole, as it counts in a transcript (RFC 6347, section 4.2.6). */
export interface HandshakeMessage {
  readonly msg_type: number;
  /** The message's body. */
  readonly fragment: Buffer;
  /** The message with its header. */
  serialize(): Buffer;
}

/** What the side that was called has of a DTLS 1.2 handshake when it is over. */
export interface ServerHandshake {
  /** All messages from the second ClientHello to the client's Finished, in their order. */
  readonly transcript: readonly HandshakeMessage[];
  /** What the session's keys were made of. */
  readonly masterSecret: Buffer;
  /** The client's part of the key exchange that the secret was made of. */
  readonly clientPublicKey: Buffer;
  /** The certificate, DER, whose fingerprint was compared with the offer's. */
  readonly certificate: Buffer;
}

const CERTIFICATE = 11;
const CERTIFICATE_VERIFY = 15;
const CLIENT_KEY_EXCHANGE = 16;
const FINISHED = 20;
const VERIFY_DATA_BYTES = 12;
/** TLS signature schemes whose keys browsers make certificates of (RFC 5246, section 7.4.1.4.1), and their hashes. */
const SIGNATURES: ReadonlyMap<number, { readonly key: 'ec' | 'rsa'; readonly hash: string }> = new Map([
  [0x0403, { key: 'ec', hash: 'sha256' }],
  [0x0503, { key: 'ec', hash: 'sha384' }],
  [0x0603, { key: 'ec', hash: 'sha512' }],
  [0x0401, { key: 'rsa', hash: 'sha256' }],
  [0x0501, { key: 'rsa', hash: 'sha384' }],
  [0x0601, { key: 'rsa', hash: 'sha512' }],
]);

/**
 * Proves that whoever made a handshake holds its certificate's private key, and that nobody stood in between: werift looks at
 * neither the client's CertificateVerify nor its Finished, and takes a second ClientKeyExchange for the first. A certificate
 * is no secret; without this, everybody who has seen one could pass for its owner.
 * @throws Error when it is not proven: none of the session's keys may be used
 */
export function provePossession({ transcript, masterSecret, clientPublicKey, certificate }: ServerHandshake): void {
  const [certificateAt, exchangeAt, verifyAt, finishedAt] = [
    CERTIFICATE,
    CLIENT_KEY_EXCHANGE,
    CERTIFICATE_VERIFY,
    FINISHED,
  ].map((type) => findLast(transcript, type)) as [number, number, number, number];
  // The client's own are the last of them; ours are before.
  const inOrder = certificateAt < exchangeAt && exchangeAt < verifyAt && verifyAt < finishedAt;
  if (certificateAt < 0 || !inOrder || finishedAt !== transcript.length - 1) refuse('is not complete');
  if (!bodyOf(transcript, certificateAt).subarray(6).subarray(0, certificate.length).equals(certificate)) {
    refuse('has two certificates');
  }
  if (!bodyOf(transcript, exchangeAt).subarray(1).equals(clientPublicKey)) refuse('has two key exchanges');
  const signed = Buffer.concat(transcript.slice(0, verifyAt).map((message) => message.serialize()));
  if (!isSigned(signed, bodyOf(transcript, verifyAt), certificate)) refuse('is not signed by its certificate’s key');
  const before = Buffer.concat(transcript.slice(0, finishedAt).map((message) => message.serialize()));
  const expected = verifyData(masterSecret, before);
  const finished = bodyOf(transcript, finishedAt);
  if (finished.length !== expected.length || !timingSafeEqual(finished, expected)) refuse('was changed on its way');
}

function refuse(what: string): never {
  throw new Error(`the peer’s handshake ${what}`);
}

function findLast(transcript: readonly HandshakeMessage[], type: number): number {
  for (let at = transcript.length - 1; at >= 0; at--) if (transcript[at]?.msg_type === type) return at;
  return -1;
}

function bodyOf(transcript: readonly HandshakeMessage[], at: number): Buffer {
  return transcript[at]?.fragment ?? Buffer.alloc(0);
}

/** CertificateVerify: a scheme, a length, a signature of all messages before it (RFC 5246, section 7.4.8). */
function isSigned(signed: Buffer, certificateVerify: Buffer, certificate: Buffer): boolean {
  if (certificateVerify.length < 4) return false;
  const scheme = SIGNATURES.get(certificateVerify.readUInt16BE(0));
  const signature = certificateVerify.subarray(4);
  if (!scheme || signature.length !== certificateVerify.readUInt16BE(2)) return false;
  const { publicKey } = new X509Certificate(certificate);
  return publicKey.asymmetricKeyType === scheme.key && verify(scheme.hash, signed, publicKey, signature);
}

/** What a client's Finished says (RFC 5246, section 7.4.9), with the PRF that all our cipher suites have. */
function verifyData(masterSecret: Buffer, messages: Buffer): Buffer {
  const hmac = (data: Buffer): Buffer => createHmac('sha256', masterSecret).update(data).digest();
  const seed = Buffer.concat([Buffer.from('client finished'), createHash('sha256').update(messages).digest()]);
  return hmac(Buffer.concat([hmac(seed), seed])).subarray(0, VERIFY_DATA_BYTES);
}
