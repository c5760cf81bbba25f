import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Rooms, WatchedVideo } from './rooms.js';

/** Whether something came to the server or left it. */
export type Direction = 'in' | 'out';
/** Where a session was set up. */
export type SignallingTransport = 'whip' | 'whep' | 'ws';
/** What happened to a picture on the way through a processor: it was whole when it came, and was sent upscaled. */
export type PictureStage = 'received' | 'upscaled';
/**
 * Why something that came in did not go on: a datagram that was malformed or no peer's, pictures whose packets were missing,
 * a picture that the machine was too busy for.
 */
export type DropCause = 'datagram' | 'gap' | 'overload';

/** What the media side counts, some times a second. */
export interface MediaMetrics {
  packets(direction: Direction, kind: 'audio' | 'video', packets: number, bytes: number): void;
  pictures(stage: PictureStage, count: number): void;
  /** `out`: the server asks a publisher, or its processor, for one. `in`: a viewer asks. */
  keyframeRequests(direction: Direction, count: number): void;
  dropped(cause: DropCause, count: number): void;
  nacks(direction: Direction, packets: number): void;
  resent(packets: number): void;
  /** A stream's upscaled video is made by something else now. */
  level(level: string): void;
  /** How much later an upscaled picture came out than it went in. */
  addedDelay(ms: number): void;
}

/** What signalling counts. */
export interface SignallingMetrics {
  request(method: string, route: string, status: number, seconds: number): void;
  sessionOpened(role: 'publisher' | 'viewer', transport: SignallingTransport): void;
  sessionClosed(role: 'publisher' | 'viewer'): void;
  socketOpened(): void;
  socketClosed(): void;
  message(type: string): void;
  refused(transport: SignallingTransport, status: number): void;
}

/** All of a server's metrics, for Prometheus. */
export interface ServerMetrics extends MediaMetrics, SignallingMetrics {
  /** Streams and viewers are read from here whenever somebody reads the metrics. */
  observe(rooms: Pick<Rooms, 'streams'>): void;
  /** The text format of Prometheus, and its content type. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Options of {@link createMetrics}. */
export interface MetricsOptions {
  /** Also those of the process: memory, CPU, event loop. They belong to one registry a process. Default `false`. */
  readonly process?: boolean;
}

const LEVELS = ['full', 'short', 'small', 'fast', 'pass-through', 'forward'];
const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS'];

/** Makes the metrics of one server, in a registry of their own. */
export function createMetrics(options: MetricsOptions = {}): ServerMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter({ name: `mana_${name}`, help, labelNames: [...labelNames], registers });
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Gauge({ name: `mana_${name}`, help, labelNames: [...labelNames], registers });

  if (options.process) collectDefaultMetrics({ register: registry });

  const requests = counter('http_requests_total', 'HTTP requests answered.', ['method', 'route', 'status']);
  const durations = new Histogram({
    name: 'mana_http_request_duration_seconds',
    help: 'From a request to the end of its answer.',
    labelNames: ['method', 'route'],
    buckets: [0.002, 0.01, 0.05, 0.2, 1, 5, 20],
    registers,
  });
  const opened = counter('sessions_opened_total', 'Sessions set up.', ['role', 'transport']);
  const sessions = gauge('sessions', 'Sessions now.', ['role']);
  const sockets = gauge('ws_connections', 'WebSocket connections now.');
  const messages = counter('ws_messages_total', 'WebSocket messages received.', ['type']);
  const refusals = counter('signalling_refused_total', 'Requests for a session refused.', ['transport', 'status']);

  const packets = counter('rtp_packets_total', 'RTP packets.', ['direction', 'kind']);
  const bytes = counter('rtp_bytes_total', 'Bytes of RTP packets.', ['direction', 'kind']);
  const pictures = counter('pictures_total', 'Pictures of video, by what was done with them.', ['stage']);
  const keyframes = counter('keyframe_requests_total', 'Keyframes asked for: by viewers (in), by the server (out).', [
    'direction',
  ]);
  const drops = counter('dropped_total', 'What came in and did not go on.', ['cause']);
  const nacks = counter('nacked_packets_total', 'Packets asked for again.', ['direction']);
  const resent = counter('resent_packets_total', 'Packets sent again.');
  const levels = counter('level_changes_total', 'Changes of what makes upscaled video.', ['level']);
  const delay = new Histogram({
    name: 'mana_added_delay_seconds',
    help: 'What upscaling adds to the delay.',
    buckets: [0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1],
    registers,
  });

  let rooms: Pick<Rooms, 'streams'> | undefined;
  const streams = gauge('streams', 'Streams published now.');
  const viewers = gauge('viewers', 'Viewers now.', ['stream', 'video']);
  const streamDelay = gauge('stream_added_delay_seconds', 'What upscaling adds to the delay, a median.', ['stream']);
  const streamLevel = gauge('stream_level', 'What makes the upscaled video of a stream now: 1.', ['stream', 'level']);

  const readRooms = () => {
    // Streams come and go: without this, labels would pile up for ever.
    for (const one of [viewers, streamDelay, streamLevel]) one.reset();
    const published = rooms?.streams() ?? [];
    streams.set(published.length);
    for (const stream of published) {
      const { name, level, addedDelayMs } = stream;
      for (const video of ['source', 'upscaled'] satisfies WatchedVideo[]) {
        viewers.set({ stream: name, video }, stream.viewers[video]);
      }
      if (level === null) continue;
      streamLevel.set({ stream: name, level }, 1);
      if (Number.isFinite(addedDelayMs)) streamDelay.set({ stream: name }, addedDelayMs / 1000);
    }
  };

  return {
    request: (method, route, status, seconds) => {
      // A client may invent methods: they must not become labels.
      const known = METHODS.includes(method) ? method : 'other';
      requests.inc({ method: known, route, status });
      durations.observe({ method: known, route }, seconds);
    },
    sessionOpened: (role, transport) => {
      opened.inc({ role, transport });
      sessions.inc({ role });
    },
    sessionClosed: (role) => sessions.dec({ role }),
    socketOpened: () => sockets.inc(),
    socketClosed: () => sockets.dec(),
    message: (type) => messages.inc({ type }),
    refused: (transport, status) => refusals.inc({ transport, status }),

    packets: (direction, kind, count, size) => {
      packets.inc({ direction, kind }, count);
      bytes.inc({ direction, kind }, size);
    },
    pictures: (stage, count) => pictures.inc({ stage }, count),
    keyframeRequests: (direction, count) => keyframes.inc({ direction }, count),
    dropped: (cause, count) => drops.inc({ cause }, count),
    nacks: (direction, count) => nacks.inc({ direction }, count),
    resent: (count) => resent.inc(count),
    level: (level) => levels.inc({ level: LEVELS.includes(level) ? level : 'other' }),
    addedDelay: (ms) => delay.observe(ms / 1000),

    observe: (source) => {
      rooms = source;
    },
    text: () => {
      readRooms();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}
