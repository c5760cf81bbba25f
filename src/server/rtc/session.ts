import { randomBytes } from 'node:crypto';
import type { PeerSession } from '../rooms.js';
import { SignallingError } from '../rooms.js';
import { type AcceptedMedia, writeAnswer } from './answer.js';
import type { NetworkOptions } from './options.js';
import type { RtcpMessage } from './rtcp.js';
import type { RtpPacket } from './rtp-packet.js';
import type { Offer } from './sdp.js';
import { readFragment } from './sdp-fragment.js';
import { type Impair, Transport } from './transport.js';

/** What happens in a session, once it has been set up. */
export interface SessionListener {
  connected(nowMs: number): void;
  rtp?(packet: RtpPacket, nowMs: number): void;
  rtcp(message: RtcpMessage, nowMs: number): void;
  /** It is over, whoever ended it. Told once. */
  ended(reason: string): void;
}

/** What a session is made of. */
export interface SessionSettings {
  readonly stream: string;
  readonly role: PeerSession['role'];
  readonly offer: Offer;
  readonly accepted: readonly (AcceptedMedia | undefined)[];
  readonly network: NetworkOptions;
  readonly connectTimeoutMs: number;
  readonly now: () => number;
  readonly impair: Impair | undefined;
}

const ID_BYTES = 18;
/** Fragments that a client may send; browsers send one for each candidate at most. */
const MAX_FRAGMENTS = 256;
/** Candidates in all of them: each is an address that the server checks. */
const MAX_CANDIDATES = 128;

/** One peer's connection and its place in signalling. */
export class Session implements PeerSession {
  readonly id = randomBytes(ID_BYTES).toString('base64url');
  readonly etag = randomBytes(ID_BYTES).toString('base64url');
  readonly stream: string;
  readonly role: PeerSession['role'];
  readonly closed: Promise<string>;
  readonly #settings: SessionSettings;
  readonly #openedAtMs: number;
  #transport: Transport | undefined;
  #answerSdp = '';
  #listener: SessionListener | undefined;
  #settleClosed: (reason: string) => void = () => {};
  #ended = false;
  #fragments = 0;
  #candidates = 0;

  private constructor(settings: SessionSettings) {
    this.#settings = settings;
    this.#openedAtMs = settings.now();
    this.stream = settings.stream;
    this.role = settings.role;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  /**
   * Binds what is needed and writes the answer. Nothing is told before {@link begin}.
   * @throws SignallingError 503 when there is no port
   */
  static async open(settings: SessionSettings): Promise<Session> {
    const session = new Session(settings);
    const { network, offer, accepted, now, impair } = settings;
    try {
      const transport = await Transport.open(
        network,
        offer.transport,
        {
          connected: () => session.#listener?.connected(now()),
          rtp: (packet) => session.#listener?.rtp?.(packet, now()),
          rtcp: (message) => session.#listener?.rtcp(message, now()),
          failed: (reason) => void session.close(reason),
        },
        impair,
      );
      session.#transport = transport;
      session.#answerSdp = writeAnswer(offer, accepted, transport.local);
      return session;
    } catch (error) {
      throw new SignallingError(503, 'There is no room for another connection.', { cause: error });
    }
  }

  get answerSdp(): string {
    return this.#answerSdp;
  }

  /** For media. */
  get transport(): Transport {
    if (!this.#transport) throw new Error('A session has no transport before it is open.');
    return this.#transport;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Begins to connect. */
  begin(listener: SessionListener): void {
    if (this.#ended) return;
    this.#listener = listener;
    this.transport.start();
  }

  /** Ends the session when it has not connected in time; called some 50 times a second. */
  tick(nowMs: number): void {
    if (this.transport.connected) return;
    if (nowMs - this.#openedAtMs > this.#settings.connectTimeoutMs) void this.close('It did not connect in time.');
  }

  async trickle(fragment: string): Promise<void> {
    if (this.#ended) throw new SignallingError(404, 'The session is over.');
    if (++this.#fragments > MAX_FRAGMENTS) throw new SignallingError(413, 'Too many fragments.');
    const candidates = readFragment(fragment, this.#settings.offer.transport.usernameFragment);
    this.#candidates += candidates.length;
    if (this.#candidates > MAX_CANDIDATES) throw new SignallingError(413, 'Too many candidates.');
    for (const candidate of candidates) this.transport.addCandidate(candidate);
  }

  async close(reason: string): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      this.#listener?.ended(reason);
      this.#settleClosed(reason);
    }
    await this.#transport?.close();
  }
}
