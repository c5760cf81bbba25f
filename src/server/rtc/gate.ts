import { rtpHeaderBytes } from './rtp-packet.js';
import { isAuthentic, readStun } from './stun.js';

/** Whom a {@link DatagramGate} lets in. */
export interface GateKeys {
  /** Our ICE user fragment and password, as the answer has them. */
  readonly usernameFragment: string;
  readonly password: string;
}

/** More addresses than one peer has. */
const MAX_ADDRESSES = 16;
/** Of a handshake with all its retransmissions; a browser's takes eight. */
const MAX_HANDSHAKE_DATAGRAMS = 256;
/** A browser's has seven messages of 2 KiB in all. Each can ask for an exchange of keys, which takes milliseconds. */
const MAX_HANDSHAKE_MESSAGES = 128;
const MAX_HANDSHAKE_BYTES = 64 * 1024;
/** The shortest exchange of keys, with the message's header: so many may stand in a record that is encrypted. */
const MIN_KEY_EXCHANGE_BYTES = 45;
/** Roles are repaired once or twice. */
const MAX_ERRORS = 8;
const ROLE_CONFLICT = 487;
const MIN_MEDIA_BYTES = 12;

const DTLS_CHANGE_CIPHER_SPEC = 20;
const DTLS_ALERT = 21;
const DTLS_HANDSHAKE = 22;
const DTLS_APPLICATION_DATA = 23;
const DTLS_HEADER_BYTES = 13;
const HANDSHAKE_HEADER_BYTES = 12;
/** What alerts say (RFC 5246, section 7.2). */
const ALERTS: ReadonlySet<number> = new Set([
  0, 10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 90, 100, 110,
]);
/** RFC 5761, section 4. */
const FIRST_RTCP_TYPE = 192;
const LAST_RTCP_TYPE = 223;

/**
 * Decides which datagrams a peer's socket takes (RFC 7983). werift's ICE answers unauthenticated checks, remembers where
 * they came from without a limit, and gives everything else to DTLS and SRTP wherever it comes from; its DTLS can be
 * ended or restarted by one record in clear; and it reads an RTP header, before it knows whose that is, as long as the header
 * says it is, in quadratic time. So nothing gets that far unless its sender has shown that it knows the ICE password, no record
 * in clear once keys are agreed on, and no header that does not fit.
 */
export class DatagramGate {
  readonly #keys: () => GateKeys;
  readonly #addresses = new Set<string>();
  readonly #handshake = { datagrams: 0, messages: 0, bytes: 0 };
  #errors = 0;
  /** Whether DTLS has agreed on keys. */
  secured = false;
  /** Datagrams that were not let in. */
  refused = 0;

  constructor(keys: () => GateKeys) {
    this.#keys = keys;
  }

  /**
   * What of a datagram may be handled.
   * @returns nothing, all of it, or of a handshake that is sent once more what is not in clear
   */
  admit(data: Buffer, host: string, port: number): Buffer | undefined {
    const admitted = this.#decide(data, host, port);
    if (!admitted) this.refused++;
    return admitted;
  }

  #decide(data: Buffer, host: string, port: number): Buffer | undefined {
    const first = data[0];
    if (first === undefined || port === 0) return undefined;
    if (first < 4) return this.#stun(data, host, port) ? data : undefined;
    if (!this.#addresses.has(`${host}|${port}`)) return undefined;
    if (first >= DTLS_CHANGE_CIPHER_SPEC && first < 64) return this.#dtls(data);
    return first >= 128 && first < 192 && this.secured && isMedia(data) ? data : undefined;
  }

  #stun(data: Buffer, host: string, port: number): boolean {
    const message = readStun(data);
    if (!message) return false;
    // Answers are matched with what was asked, and authenticated, where they arrive.
    if (message.kind === 'response') return true;
    // Any other error makes werift ask again at once, for ever, or read a code that is not there.
    if (message.kind === 'error') return message.errorCode === ROLE_CONFLICT && this.#errors++ < MAX_ERRORS;
    if (message.kind !== 'request') return false;
    const { usernameFragment, password } = this.#keys();
    if (!message.username?.startsWith(`${usernameFragment}:`)) return false;
    if (!isAuthentic(data, message, password)) return false;
    const address = `${host}|${port}`;
    if (this.#addresses.has(address)) return true;
    if (this.#addresses.size >= MAX_ADDRESSES) return false;
    this.#addresses.add(address);
    return true;
  }

  #dtls(data: Buffer): Buffer | undefined {
    const { secured } = this;
    if (!secured && !this.#countHandshake(1, 0, data.length)) return undefined;
    let at = 0;
    let from = 0;
    while (at < data.length) {
      if (at + DTLS_HEADER_BYTES > data.length) return undefined;
      const type = data.readUInt8(at);
      if (type < DTLS_CHANGE_CIPHER_SPEC || type > DTLS_APPLICATION_DATA) return undefined;
      const inClear = data.readUInt16BE(at + 3) === 0;
      const body = data.subarray(at + DTLS_HEADER_BYTES, at + DTLS_HEADER_BYTES + data.readUInt16BE(at + 11));
      if (!secured && type === DTLS_HANDSHAKE && !this.#countHandshake(0, messagesIn(body, inClear), 0))
        return undefined;
      // werift takes an alert that is encrypted for one in clear where its first bytes look like one.
      if (secured && type === DTLS_ALERT && ALERTS.has(body[1] ?? 0)) return undefined;
      at += DTLS_HEADER_BYTES + data.readUInt16BE(at + 11);
      if (secured && inClear) from = at;
    }
    return at === data.length && from < at ? data.subarray(from) : undefined;
  }

  /** @returns whether the handshake has not had too much yet */
  #countHandshake(datagrams: number, messages: number, bytes: number): boolean {
    this.#handshake.datagrams += datagrams;
    this.#handshake.messages += messages;
    this.#handshake.bytes += bytes;
    return (
      this.#handshake.datagrams <= MAX_HANDSHAKE_DATAGRAMS &&
      this.#handshake.messages <= MAX_HANDSHAKE_MESSAGES &&
      this.#handshake.bytes <= MAX_HANDSHAKE_BYTES
    );
  }
}

/** Messages that a handshake record has; the most there can be where it is encrypted. */
function messagesIn(body: Buffer, inClear: boolean): number {
  if (!inClear) return Math.ceil(body.length / MIN_KEY_EXCHANGE_BYTES);
  let count = 0;
  for (let at = 0; at < body.length; count++) {
    if (at + HANDSHAKE_HEADER_BYTES > body.length) break;
    at += HANDSHAKE_HEADER_BYTES + body.readUIntBE(at + 9, 3);
  }
  return count;
}

/** Whether a datagram has the form of RTP or of RTCP, as far as that is not encrypted. */
function isMedia(data: Buffer): boolean {
  if (data.length < MIN_MEDIA_BYTES) return false;
  const second = data.readUInt8(1);
  if (second >= FIRST_RTCP_TYPE && second <= LAST_RTCP_TYPE) return true;
  return rtpHeaderBytes(data) !== undefined;
}
