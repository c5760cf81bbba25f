import { randomBytes } from 'node:crypto';
import {
  type PeerSession,
  type Rooms,
  SignallingError,
  type StreamSummary,
  type WatchedVideo,
} from '../../src/server/rooms.js';

/** A session that moves no media. */
export class MemorySession implements PeerSession {
  readonly id = randomBytes(18).toString('base64url');
  readonly etag = randomBytes(6).toString('base64url');
  readonly answerSdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';
  readonly fragments: string[] = [];
  readonly closed: Promise<string>;
  over = false;
  #end: (reason: string) => void = () => {};

  constructor(
    readonly stream: string,
    readonly role: PeerSession['role'],
    readonly video: WatchedVideo,
    readonly offer: string,
  ) {
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async trickle(fragment: string): Promise<void> {
    const offered = /a=ice-ufrag:(\S+)/.exec(this.offer)?.[1];
    const named = /a=ice-ufrag:(\S+)/.exec(fragment)?.[1];
    if (named !== undefined && named !== offered) throw new SignallingError(422, 'ICE restarts are not supported.');
    this.fragments.push(fragment);
  }

  async close(reason: string): Promise<void> {
    this.over = true;
    this.#end(reason);
  }
}

/** Rooms for tests of signalling: who is where, without a picture or a packet. */
export class MemoryRooms implements Rooms {
  readonly all: MemorySession[] = [];
  /** Called before each answer. What it throws is thrown. */
  before: (stream: string) => Promise<void> | void = () => {};
  closedBecause: string | undefined;

  get running(): MemorySession[] {
    return this.all.filter(({ over }) => !over);
  }

  async publish(stream: string, offerSdp: string): Promise<PeerSession> {
    await this.before(stream);
    if (this.#publisher(stream)) throw new SignallingError(409, 'The stream is published already.');
    return this.#open(new MemorySession(stream, 'publisher', 'source', offerSdp));
  }

  async watch(stream: string, video: WatchedVideo, offerSdp: string): Promise<PeerSession> {
    await this.before(stream);
    if (!this.#publisher(stream)) throw new SignallingError(404, 'No such stream is published.');
    if (offerSdp.includes('AV2')) throw new SignallingError(406, 'There is no codec in common.');
    return this.#open(new MemorySession(stream, 'viewer', video, offerSdp));
  }

  session(id: string): PeerSession | undefined {
    return this.running.find((session) => session.id === id);
  }

  streams(): StreamSummary[] {
    return this.running
      .filter(({ role }) => role === 'publisher')
      .map(({ stream }) => {
        const watching = this.running.filter((session) => session.stream === stream && session.role === 'viewer');
        const count = (video: WatchedVideo) => watching.filter((session) => session.video === video).length;
        return {
          name: stream,
          codec: 'VP8',
          width: 640,
          height: 360,
          viewers: { source: count('source'), upscaled: count('upscaled') },
          level: count('upscaled') > 0 ? 'full' : null,
          levelReason: 'it fits',
          addedDelayMs: 42,
        };
      });
  }

  async close(reason: string): Promise<void> {
    this.closedBecause = reason;
    for (const session of this.running) await session.close(reason);
  }

  #publisher(stream: string): MemorySession | undefined {
    return this.running.find((session) => session.stream === stream && session.role === 'publisher');
  }

  #open(session: MemorySession): MemorySession {
    this.all.push(session);
    return session;
  }
}
