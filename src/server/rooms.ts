/** Which form of a published video a viewer watches: as it was sent, or upscaled. */
export type WatchedVideo = 'source' | 'upscaled';

/** One WebRTC session of a publisher or a viewer, as signalling sees it. */
export interface PeerSession {
  /** Cannot be guessed: whoever knows it may change and end the session. */
  readonly id: string;
  readonly stream: string;
  readonly role: 'publisher' | 'viewer';
  /** The answer, with all local candidates. */
  readonly answerSdp: string;
  /** Of the ICE session: changes when ICE restarts. */
  readonly etag: string;
  /**
   * Takes remote candidates, `application/trickle-ice-sdpfrag` (RFC 8840).
   * @throws SignallingError
   */
  trickle(fragment: string): Promise<void>;
  /** Ends the session. `reason` goes to the log. */
  close(reason: string): Promise<void>;
  /** Settles with the reason when the session is over, whoever ended it. */
  readonly closed: Promise<string>;
}

/** What is published, and who watches it. */
export interface Rooms {
  /** @throws SignallingError */
  publish(stream: string, offerSdp: string): Promise<PeerSession>;
  /** @throws SignallingError */
  watch(stream: string, video: WatchedVideo, offerSdp: string): Promise<PeerSession>;
  session(id: string): PeerSession | undefined;
  /** Names of published streams. */
  streams(): StreamSummary[];
  /** Ends all sessions and releases everything. */
  close(reason: string): Promise<void>;
}

/** One published stream. */
export interface StreamSummary {
  readonly name: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly viewers: Readonly<Record<WatchedVideo, number>>;
  /** What makes the upscaled video now, or `null` when nobody watches it. */
  readonly level: string | null;
  readonly levelReason: string;
  /** Milliseconds that upscaling adds, measured. */
  readonly addedDelayMs: number;
}

/** A request that is refused, with the HTTP status it is refused with. */
export class SignallingError extends Error {
  override readonly name = 'SignallingError';

  constructor(
    /** 400 malformed, 404 no such stream, 406 no common codec, 409 already published, 413 too large, 503 no room. */
    readonly status: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
