import type { Direction, MediaMetrics } from '../metrics.js';
import type { OpenProcessor } from '../processor.js';
import type { StreamSummary, WatchedVideo } from '../rooms.js';
import { Broadcast } from './broadcast.js';
import type { RtcVideoCodec } from './formats.js';
import type { RoomEvent, RoomLimits } from './options.js';
import type { PublisherPlan, ViewerPlan } from './plan.js';
import { Publisher } from './publisher.js';
import type { Session } from './session.js';
import { handOver, type TransferCounts } from './transfer-counts.js';
import { Viewer } from './viewer.js';

/** What a room asks of the house. */
export interface RoomHost {
  readonly limits: RoomLimits;
  readonly openProcessor: OpenProcessor | undefined;
  readonly pixelsPerSecond: () => number;
  readonly now: () => number;
  readonly metrics: MediaMetrics | undefined;
  event(event: RoomEvent): void;
  /** Nobody publishes any more, and nobody waits: the name is free. */
  emptied(room: Room): void;
}

interface Publishing {
  readonly session: Session;
  readonly media: Publisher;
}

/** A stream's publisher, who may be away for a moment, and its viewers: who comes, who goes, and what then becomes of the others. */
export class Room {
  readonly name: string;
  readonly #host: RoomHost;
  readonly #viewers = new Map<Session, Viewer>();
  #broadcast: Broadcast | undefined;
  #publishing: Publishing | undefined;
  #awaySinceMs: number | undefined;
  #closed = false;

  constructor(name: string, host: RoomHost) {
    this.name = name;
    this.#host = host;
  }

  /** What viewers can be offered; `undefined` while nobody publishes. */
  get published(): { videoCodec: RtcVideoCodec; audio: boolean } | undefined {
    const plan = this.#publishing?.media.plan;
    return plan && { videoCodec: plan.videoCodec, audio: plan.audio !== undefined };
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  get summary(): StreamSummary {
    const broadcast = this.#broadcast;
    const state = broadcast?.state;
    return {
      name: this.name,
      codec: broadcast?.codec ?? '',
      width: state?.size.width ?? 0,
      height: state?.size.height ?? 0,
      viewers: { source: broadcast?.viewers('source') ?? 0, upscaled: broadcast?.viewers('upscaled') ?? 0 },
      level: state?.level ?? null,
      levelReason: state?.levelReason ?? '',
      addedDelayMs: state?.addedDelayMs ?? 0,
    };
  }

  /** Takes a publisher, who must be the only one. */
  publish(session: Session, plan: PublisherPlan): void {
    const broadcast = this.#broadcastOf(plan.videoCodec);
    const media = new Publisher(
      plan,
      session.transport,
      this.#host.limits,
      {
        video: (packet, layer) => broadcast.video(packet, layer),
        audio: (packet) => broadcast.audio(packet),
        keyframeWanted: (layer) => broadcast.lost(layer),
        uses: (layer) => broadcast.uses(layer),
        end: (reason) => void session.close(reason),
      },
      this.#host.now(),
    );
    this.#publishing = { session, media };
    this.#awaySinceMs = undefined;
    broadcast.follow(session.id, media);
    session.begin({
      connected: () => this.#event('connected', session, 'publisher'),
      rtp: (packet, at) => media.rtp(packet, at),
      rtcp: (message, at) => media.rtcp(message, at),
      ended: (reason) => this.#publisherEnded(session, reason),
    });
    this.#event('published', session, plan.videoCodec);
  }

  /** Takes a viewer of what is published. */
  watch(session: Session, plan: ViewerPlan, watches: WatchedVideo, cname: string): void {
    const broadcast = this.#broadcast;
    if (!broadcast) return void session.close('The publisher has gone.');
    const viewer = new Viewer(session.id, watches, plan, cname, session.transport, {
      keyframeWanted: () => broadcast.requestKeyframe(viewer),
      feedback: (feedback, at) => broadcast.feedback(viewer, feedback, at),
    });
    this.#viewers.set(session, viewer);
    broadcast.add(viewer);
    session.begin({
      connected: () => {
        this.#event('connected', session, 'viewer');
        broadcast.requestKeyframe(viewer);
      },
      rtcp: (message, at) => viewer.rtcp(message, at),
      ended: (reason) => {
        this.#count(session, 'out', viewer.counts);
        this.#viewers.delete(session);
        broadcast.remove(viewer);
        this.#event('ended', session, reason);
      },
    });
    this.#event('watched', session, watches);
  }

  /** Does what is due; called a hundred times a second. */
  tick(nowMs: number): void {
    this.#publishing?.session.tick(nowMs);
    this.#publishing?.media.tick(nowMs);
    this.#broadcast?.tick(nowMs);
    for (const session of this.#viewers.keys()) session.tick(nowMs);
    if (this.#awaySinceMs === undefined) return;
    if (this.#viewers.size > 0 && nowMs - this.#awaySinceMs < this.#host.limits.publisherGraceMs) return;
    void this.close('The publisher has gone.');
  }

  /** Hands over what has been counted since the last time. */
  count(): void {
    if (this.#publishing) this.#count(this.#publishing.session, 'in', this.#publishing.media.counts);
    this.#broadcast?.count();
    for (const [session, viewer] of this.#viewers) this.#count(session, 'out', viewer.counts);
  }

  /** Ends all sessions. */
  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const sessions = [...this.#viewers.keys()];
    if (this.#publishing) sessions.push(this.#publishing.session);
    this.#host.emptied(this);
    const closing = sessions.map((session) => session.close(reason));
    this.#broadcast?.close();
    await Promise.all(closing);
  }

  /** Viewers of one codec cannot be shown another: their receivers were told once. */
  #broadcastOf(codec: RtcVideoCodec): Broadcast {
    if (this.#broadcast?.codec === codec) return this.#broadcast;
    for (const viewer of [...this.#viewers.keys()]) {
      void viewer.close('The publisher has come back with another codec.');
    }
    this.#broadcast?.close();
    const { limits, openProcessor, pixelsPerSecond, now } = this.#host;
    this.#broadcast = new Broadcast({
      codec,
      limits,
      openProcessor,
      pixelsPerSecond,
      now,
      event: (what, detail) => this.#event(what, this.#publishing?.session, detail),
      endPublisher: (reason) => void this.#publishing?.session.close(reason),
      metrics: this.#host.metrics,
    });
    return this.#broadcast;
  }

  #publisherEnded(session: Session, reason: string): void {
    this.#event('ended', session, reason);
    this.#broadcast?.unfollow(session.id);
    if (this.#publishing?.session !== session) return;
    this.#count(session, 'in', this.#publishing.media.counts);
    this.#publishing = undefined;
    this.#awaySinceMs = this.#host.now();
  }

  #count(session: Session, direction: Direction, counts: TransferCounts): void {
    const { metrics } = this.#host;
    const { transport } = session;
    if (metrics) handOver(counts, direction, metrics);
    metrics?.dropped('datagram', transport.refused);
    transport.refused = 0;
  }

  #event(what: RoomEvent['what'], session: Session | undefined, detail: string): void {
    this.#host.event({ stream: this.name, what, detail, ...(session ? { session: session.id } : {}) });
  }
}
