import { randomBytes, randomInt } from 'node:crypto';
import { realClock } from '../../pipeline/clock.js';
import { type PeerSession, type Rooms, SignallingError, type StreamSummary, type WatchedVideo } from '../rooms.js';
import { checkLimits, checkNetwork, type RoomLimits, type RoomsOptions } from './options.js';
import { planPublisher, planViewer } from './plan.js';
import { Room } from './room.js';
import { readOffer } from './sdp.js';
import { Session, type SessionSettings } from './session.js';
import type { Impair } from './transport.js';

/** What tests put in the way. */
export interface RoomsSeams {
  readonly impair?: Impair;
}

const TICK_MS = 10;
const COUNT_EVERY_MS = 1000;

/**
 * Makes a server for publishers and viewers by WebRTC.
 * @throws TypeError for options that make no sense
 */
export function createRooms(options: RoomsOptions, seams: RoomsSeams = {}): Rooms {
  return new RtcRooms(options, seams);
}

class RtcRooms implements Rooms {
  readonly #options: RoomsOptions;
  readonly #limits: RoomLimits;
  readonly #seams: RoomsSeams;
  readonly #rooms = new Map<string, Room>();
  readonly #sessions = new Map<string, Session>();
  /** Streams that somebody is about to publish. */
  readonly #reserved = new Set<string>();
  #opening = 0;
  #timer: NodeJS.Timeout | undefined;
  #countedAtMs = 0;
  #closed = false;

  constructor(options: RoomsOptions, seams: RoomsSeams) {
    this.#options = { ...options, network: checkNetwork(options.network) };
    this.#limits = checkLimits(options.limits);
    this.#seams = seams;
  }

  async publish(stream: string, offerSdp: string): Promise<PeerSession> {
    this.#refuseWhenClosed();
    const offer = readOffer(offerSdp);
    const plan = planPublisher(offer);
    if (this.#rooms.get(stream)?.published || this.#reserved.has(stream)) {
      throw new SignallingError(409, 'The stream is published already.');
    }
    refuseAbove(this.#sessions.size + this.#opening, this.#limits.peers, 'connection');
    if (!this.#rooms.has(stream)) refuseAbove(this.#rooms.size + this.#reserved.size, this.#limits.streams, 'stream');
    this.#reserved.add(stream);
    try {
      const session = await this.#open(stream, 'publisher', { offer, accepted: plan.accepted });
      let room = this.#rooms.get(stream);
      if (!room) {
        room = this.#newRoom(stream);
        this.#rooms.set(stream, room);
      }
      this.#keep(session);
      room.publish(session, plan);
      return session;
    } finally {
      this.#reserved.delete(stream);
    }
  }

  async watch(stream: string, video: WatchedVideo, offerSdp: string): Promise<PeerSession> {
    this.#refuseWhenClosed();
    const offer = readOffer(offerSdp);
    const room = this.#rooms.get(stream);
    const published = room?.published;
    if (!room || !published) throw new SignallingError(404, 'No such stream is published.');
    if (video === 'upscaled' && !this.#options.openProcessor) {
      throw new SignallingError(404, 'This server does not upscale; its log says why. Watch with ?video=source.');
    }
    const cname = randomBytes(9).toString('base64url');
    const streamId = randomBytes(9).toString('base64url');
    const plan = planViewer(offer, published, { cname, streamId }, () => randomInt(1, 2 ** 32 - 1));
    refuseAbove(this.#sessions.size + this.#opening, this.#limits.peers, 'connection');
    refuseAbove(room.viewers, this.#limits.viewersPerStream, 'viewer of this stream');
    const session = await this.#open(stream, 'viewer', { offer, accepted: plan.accepted });
    const now = room.published;
    if (this.#rooms.get(stream) !== room || now?.videoCodec !== published.videoCodec) {
      await session.close('The publisher has gone.');
      throw new SignallingError(404, 'No such stream is published.');
    }
    this.#keep(session);
    room.watch(session, plan, video, cname);
    return session;
  }

  session(id: string): PeerSession | undefined {
    return this.#sessions.get(id);
  }

  streams(): StreamSummary[] {
    return [...this.#rooms.values()].filter(({ published }) => published).map(({ summary }) => summary);
  }

  async close(reason: string): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await Promise.all([...this.#rooms.values()].map((room) => room.close(reason)));
    await Promise.all([...this.#sessions.values()].map((session) => session.close(reason)));
  }

  async #open(
    stream: string,
    role: PeerSession['role'],
    part: Pick<SessionSettings, 'offer' | 'accepted'>,
  ): Promise<Session> {
    this.#opening++;
    try {
      const session = await Session.open({
        ...part,
        stream,
        role,
        network: this.#options.network,
        connectTimeoutMs: this.#limits.connectTimeoutMs,
        now: realClock.now,
        impair: this.#seams.impair,
      });
      if (this.#closed) {
        await session.close('The server is closing.');
        this.#refuseWhenClosed();
      }
      return session;
    } finally {
      this.#opening--;
    }
  }

  #keep(session: Session): void {
    this.#sessions.set(session.id, session);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    void session.closed.then(() => {
      this.#sessions.delete(session.id);
    });
  }

  #newRoom(stream: string): Room {
    return new Room(stream, {
      limits: this.#limits,
      openProcessor: this.#options.openProcessor,
      pixelsPerSecond: this.#options.pixelsPerSecond ?? (() => Number.POSITIVE_INFINITY),
      now: realClock.now,
      event: (event) => this.#options.onEvent?.(event),
      metrics: this.#options.metrics,
      emptied: (room) => {
        if (this.#rooms.get(stream) === room) this.#rooms.delete(stream);
      },
    });
  }

  #tick(): void {
    const nowMs = realClock.now();
    for (const room of [...this.#rooms.values()]) room.tick(nowMs);
    if (nowMs - this.#countedAtMs >= COUNT_EVERY_MS) {
      this.#countedAtMs = nowMs;
      for (const room of this.#rooms.values()) room.count();
    }
    if (this.#rooms.size > 0 || this.#sessions.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new SignallingError(503, 'The server is closing.');
  }
}

function refuseAbove(count: number, limit: number, what: string): void {
  if (count >= limit) throw new SignallingError(503, `There is no room for another ${what}.`);
}
