/** Choices for {@link KeyframeRequests}. */
export interface KeyframeRequestOptions {
  /** Sends a request, as a PLI (RFC 4585, section 6.3.1). */
  readonly send: () => void;
  /** Shortest time between two requests, in milliseconds. 300 when left out. */
  readonly intervalMs?: number;
  /** Longest time between two requests while no keyframe comes, in milliseconds. 4,000 when left out. */
  readonly maxIntervalMs?: number;
}

/**
 * Asks a sender for keyframes, however often they are wanted: one request an interval, and again after intervals that double
 * until a keyframe comes. No clock inside: call {@link tick} at {@link nextTickMs}.
 */
export class KeyframeRequests {
  readonly #send: () => void;
  readonly #intervalMs: number;
  readonly #maxIntervalMs: number;
  #wanted = false;
  #sentMs = Number.NEGATIVE_INFINITY;
  /** Requests since the keyframe has been wanted. */
  #attempts = 0;
  /** Requests that were sent. */
  sent = 0;

  constructor(options: KeyframeRequestOptions) {
    this.#send = options.send;
    this.#intervalMs = options.intervalMs ?? 300;
    this.#maxIntervalMs = options.maxIntervalMs ?? 4000;
  }

  /** Whether a keyframe is waited for. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** When {@link tick} is due, in the caller's milliseconds. `undefined` when no keyframe is wanted. */
  get nextTickMs(): number | undefined {
    if (!this.#wanted) return undefined;
    const doubled = this.#intervalMs * 2 ** Math.min(30, Math.max(0, this.#attempts - 1));
    return this.#sentMs + Math.max(this.#intervalMs, Math.min(this.#maxIntervalMs, doubled));
  }

  /** A keyframe is wanted. One more wish while a request is out does not hurry the next one. */
  request(nowMs: number): void {
    if (!this.#wanted) this.#attempts = 0;
    this.#wanted = true;
    this.tick(nowMs);
  }

  /** A keyframe has come, or is wanted no longer. */
  arrived(): void {
    this.#wanted = false;
  }

  /** Sends what is due. */
  tick(nowMs: number): void {
    const dueMs = this.nextTickMs;
    if (dueMs === undefined || nowMs < dueMs) return;
    this.#sentMs = nowMs;
    this.#attempts++;
    this.sent++;
    this.#send();
  }
}
