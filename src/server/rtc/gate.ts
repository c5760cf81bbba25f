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
/** Roles are repaired once or twice. */
const MAX_ERRORS = 8;
const ROLE_CONFLICT = 487;

const DTLS_CHANGE_CIPHER_SPEC = 20;
const DTLS_APPLICATION_DATA = 23;
const DTLS_HEADER_BYTES = 13;

/**
 * Decides which datagrams a peer's socket takes (RFC 7983). werift's ICE answers unauthenticated checks, remembers where
 * they came from without a limit, and gives everything else to DTLS and SRTP wherever it comes from; its DTLS can be
 * ended or restarted by one record in clear. So nothing gets that far unless its sender has shown that it knows the ICE
 * password, and no record in clear once keys are agreed on.
 */
export class DatagramGate {
  readonly #keys: () => GateKeys;
  readonly #addresses = new Set<string>();
  #handshakeDatagrams = 0;
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
    return first >= 128 && first < 192 && this.secured && data.length >= 12 ? data : undefined;
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
    if (!secured && ++this.#handshakeDatagrams > MAX_HANDSHAKE_DATAGRAMS) return undefined;
    let at = 0;
    let from = 0;
    while (at < data.length) {
      if (at + DTLS_HEADER_BYTES > data.length) return undefined;
      const type = data.readUInt8(at);
      if (type < DTLS_CHANGE_CIPHER_SPEC || type > DTLS_APPLICATION_DATA) return undefined;
      const inClear = data.readUInt16BE(at + 3) === 0;
      at += DTLS_HEADER_BYTES + data.readUInt16BE(at + 11);
      if (secured && inClear) from = at;
    }
    return at === data.length && from < at ? data.subarray(from) : undefined;
  }
}
