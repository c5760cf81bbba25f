import type { FastifyRequest } from 'fastify';
import type { PeerSession } from '../rooms.js';
import { bearerToken } from './access.js';
import { type HttpContext, questionOf } from './context.js';
import { type ClientMessage, MessageError, type MessageId, readMessage, type ServerMessage } from './messages.js';
import { HttpProblem, problemOf } from './problem.js';
import { TokenBucket } from './token-bucket.js';
import { entityTag } from './trickle.js';

/** What a {@link SignallingPeer} speaks through. */
export interface SignallingLink {
  send(message: ServerMessage): void;
  /** Ends the connection with a code of RFC 6455, section 7.4. */
  close(code: number, reason: string): void;
  /** The request that opened it. */
  readonly request: Pick<FastifyRequest, 'ip' | 'headers'>;
}

/** Sessions that one connection may have, those it asks for among them. */
const MAX_SESSIONS = 16;
/** RFC 6455: a policy was violated. */
const POLICY_VIOLATION = 1008;

/**
 * One client of signalling by WebSocket: takes its messages, and ends its sessions with it. Knows no socket. The protocol
 * stands at {@link ClientMessage} and {@link ServerMessage}.
 */
export class SignallingPeer {
  readonly #link: SignallingLink;
  readonly #context: HttpContext;
  readonly #sessions = new Map<string, PeerSession>();
  readonly #bucket: TokenBucket;
  #opening = 0;
  #ended = false;

  constructor(link: SignallingLink, context: HttpContext) {
    this.#link = link;
    this.#context = context;
    this.#bucket = new TokenBucket(context.config.limits.messagesPerSecond, context.clock.now());
  }

  /** Those that run and those that are being opened. */
  get sessions(): number {
    return this.#sessions.size + this.#opening;
  }

  /** Counts a frame; ends the connection when there are too many. */
  allow(): boolean {
    if (this.#ended) return false;
    if (this.#bucket.take(this.#context.clock.now())) return true;
    const { messagesPerSecond } = this.#context.config.limits;
    this.#link.send({ type: 'error', status: 429, message: `There may be ${messagesPerSecond} messages a second.` });
    this.#link.close(POLICY_VIOLATION, 'too many messages');
    return false;
  }

  /** Takes a message. Never throws: what is wrong is answered. */
  async receive(text: string): Promise<void> {
    if (!this.allow()) return;
    let message: ClientMessage;
    try {
      message = readMessage(text);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.#context.metrics.message('malformed');
      this.#refuse(400, error.message, error.id === undefined ? {} : { id: error.id });
      return;
    }
    this.#context.metrics.message(message.type);
    const about = 'id' in message ? { id: message.id } : { session: message.session };
    try {
      if (message.type === 'candidate') await this.#candidate(message.session, message.candidate);
      else if (message.type === 'bye') await this.#own(message.session).close('The client ended it.');
      else await this.#open(message);
    } catch (error) {
      const { status, message: sentence, cause } = problemOf(error);
      if (status === 500) this.#context.log.error({ err: cause }, 'signalling failed');
      this.#refuse(status, sentence, about);
    }
  }

  /** The connection has ended, and its sessions end with it. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const session of this.#sessions.values()) this.#close(session);
  }

  async #open(message: Extract<ClientMessage, { sdp: string }>): Promise<void> {
    const { access, sessions } = this.#context;
    if (this.sessions >= MAX_SESSIONS) {
      this.#refuse(429, `A connection may have ${MAX_SESSIONS} sessions.`, { id: message.id });
      return;
    }
    this.#opening++;
    try {
      const { type: action, id, stream, video, sdp: offerSdp } = message;
      sessions.refuseWhenDraining();
      await access.check(questionOf(this.#link.request, action, stream, message.token ?? this.#upgradeToken));
      const session = await sessions.open({ action, stream, video, offerSdp, transport: 'ws' });
      if (this.#ended) {
        this.#close(session);
        return;
      }
      this.#keep(session, id);
    } finally {
      this.#opening--;
    }
  }

  get #upgradeToken(): string | undefined {
    return bearerToken(this.#link.request.headers.authorization);
  }

  #keep(session: PeerSession, id: MessageId): void {
    this.#sessions.set(session.id, session);
    this.#link.send({ type: 'answer', id, session: session.id, sdp: session.answerSdp, etag: entityTag(session) });
    const ended = (reason: string) => {
      this.#sessions.delete(session.id);
      if (!this.#ended) this.#link.send({ type: 'closed', session: session.id, reason });
    };
    session.closed.then(ended, () => ended('The session failed.'));
  }

  async #candidate(id: string, candidate: string): Promise<void> {
    await this.#context.sessions.trickle(this.#own(id), candidate);
  }

  /** A session of another connection is as good as none. */
  #own(id: string): PeerSession {
    const session = this.#sessions.get(id);
    if (!session) throw new HttpProblem(404, 'This connection has no such session.');
    return session;
  }

  #close(session: PeerSession): void {
    session.close('The signalling connection ended.').catch((error: unknown) => {
      this.#context.log.error({ err: error }, 'a session could not be closed');
    });
  }

  #refuse(status: number, message: string, about: { id?: MessageId; session?: string }): void {
    if (!this.#ended) this.#link.send({ type: 'error', ...about, status, message });
  }
}
