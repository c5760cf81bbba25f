import type { Logger } from 'pino';
import type { ServerMetrics, SignallingTransport } from '../metrics.js';
import type { ServerConfig, StreamAction } from '../options.js';
import { type PeerSession, type Rooms, SignallingError, type WatchedVideo } from '../rooms.js';
import { STREAM_NAME } from '../setting-values.js';
import { problemOf } from './problem.js';
import { checkFragment } from './trickle.js';

/** A session that somebody asks for. Whether it is allowed has been decided. */
export interface OpenRequest {
  readonly action: StreamAction;
  readonly stream: string;
  readonly video: WatchedVideo;
  readonly offerSdp: string;
  readonly transport: SignallingTransport;
}

/** What {@link Sessions} is made of. */
export interface SessionsParts {
  readonly rooms: Rooms;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  readonly limits: ServerConfig['limits'];
}

/** Enough of a session's id to find it in a log; the whole id is a key to the session. */
export function shortId(id: string): string {
  return id.slice(0, 6);
}

/** Opens sessions for HTTP and for WebSocket, and knows which are running. */
export class Sessions {
  readonly #parts: SessionsParts;
  /** ICE candidates that each has sent. */
  readonly #candidates = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #opening = 0;
  #draining = false;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  /** Whether no more are opened. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Those that run and those that are being opened. */
  get size(): number {
    return this.#candidates.size + this.#opening;
  }

  /** @throws SignallingError */
  async open(request: OpenRequest): Promise<PeerSession> {
    const { rooms, metrics } = this.#parts;
    const { action, stream, video, offerSdp, transport } = request;
    this.#opening++;
    try {
      this.refuseWhenDraining();
      checkStream(stream);
      this.#checkOffer(offerSdp);
      const session = await (action === 'publish'
        ? rooms.publish(stream, offerSdp)
        : rooms.watch(stream, video, offerSdp));
      this.#keep(session, transport);
      return session;
    } catch (error) {
      metrics.refused(transport, problemOf(error).status);
      throw error;
    } finally {
      this.#opening--;
      this.#tellWhenEmpty();
    }
  }

  get(id: string): PeerSession | undefined {
    return this.#parts.rooms.session(id);
  }

  /**
   * Passes candidates on.
   * @throws SignallingError 400 malformed, 422 for an ICE restart, 429 too many
   */
  async trickle(session: PeerSession, fragment: string): Promise<void> {
    const { limits } = this.#parts;
    const count = (this.#candidates.get(session.id) ?? 0) + checkFragment(fragment);
    if (count > limits.candidatesPerSession) {
      throw new SignallingError(429, `A session may send ${limits.candidatesPerSession} candidates.`);
    }
    await session.trickle(fragment);
    if (this.#candidates.has(session.id)) this.#candidates.set(session.id, count);
  }

  /** @throws SignallingError 503 */
  refuseWhenDraining(): void {
    if (this.#draining) throw new SignallingError(503, 'The server is about to end: try another one, or later.');
  }

  /** Opens no more from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** Settles when none is running. The function that comes with it stops waiting. */
  whenEmpty(): { readonly empty: Promise<void>; readonly stop: () => void } {
    let stop = () => {};
    const empty = new Promise<void>((resolve) => {
      stop = resolve;
      this.#waiting.add(resolve);
    });
    this.#tellWhenEmpty();
    return { empty, stop };
  }

  #checkOffer(offerSdp: string): void {
    const { sdpBytes } = this.#parts.limits;
    if (Buffer.byteLength(offerSdp) > sdpBytes) throw new SignallingError(413, `An offer may have ${sdpBytes} bytes.`);
    if (!/^v=0\r?\n/.test(offerSdp)) throw new SignallingError(400, 'The offer must be SDP that begins with v=0.');
  }

  #keep(session: PeerSession, transport: SignallingTransport): void {
    const { log, metrics } = this.#parts;
    const { id, stream, role } = session;
    const own = log.child({ stream, session: shortId(id), role });
    this.#candidates.set(id, 0);
    metrics.sessionOpened(role, transport);
    own.info({ transport }, 'session opened');
    const ended = (reason: string) => {
      this.#candidates.delete(id);
      metrics.sessionClosed(role);
      own.info({ reason }, 'session closed');
      this.#tellWhenEmpty();
    };
    session.closed.then(ended, (error: unknown) => ended(problemOf(error).message));
  }

  #tellWhenEmpty(): void {
    if (this.size > 0) return;
    for (const tell of this.#waiting) tell();
    this.#waiting.clear();
  }
}

/** @throws SignallingError 400 */
export function checkStream(stream: string): void {
  if (!STREAM_NAME.test(stream)) {
    throw new SignallingError(400, 'A stream has a name of 1 to 64 letters, digits and _-. only.');
  }
}
