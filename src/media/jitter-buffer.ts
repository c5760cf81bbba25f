/** `RTCInboundRtpStreamStats`, as far as jitter buffers go: sums over all samples that were played, in seconds. */
interface JitterBufferStats {
  readonly type: string;
  readonly jitterBufferDelay?: number;
  readonly jitterBufferEmittedCount?: number;
  /** What the network alone asks for; not every browser tells. */
  readonly jitterBufferMinimumDelay?: number;
}

/** A receiver that can be told how long to hold what it receives. */
type TargetReceiver = RTCRtpReceiver & { jitterBufferTarget: number | null };

const MEASURE_MS = 1000;
/** The longest target a receiver takes. */
const MOST_MS = 4000;
/** Targets that differ less are the same. */
const SAME_MS = 5;

/** Whether a receiver's jitter buffer has a target. */
export function hasJitterBufferTarget(receiver: RTCRtpReceiver): receiver is TargetReceiver {
  return 'jitterBufferTarget' in receiver;
}

/**
 * Delays a remote track in its own jitter buffer. The target is all the time that the buffer holds its media, so what the
 * network asks for anyway comes on top of the delay that is wanted.
 */
export class JitterBufferDelay {
  readonly #before: number | null;
  readonly #timer: ReturnType<typeof setInterval>;
  #wantedMs = 0;
  #last: JitterBufferStats = { type: '' };
  #networkMs: number | undefined;
  #heldMs: number | undefined;
  #open = true;

  constructor(readonly receiver: TargetReceiver) {
    this.#before = receiver.jitterBufferTarget;
    this.#timer = setInterval(() => void this.#measure(), MEASURE_MS);
    void this.#measure();
  }

  /** How much longer than the network asks for the sound is held, in milliseconds; `null` until it was measured. */
  get delayMs(): number | null {
    return this.#heldMs === undefined || this.#networkMs === undefined ? null : this.#heldMs - this.#networkMs;
  }

  /** How much longer it shall be. */
  aim(delayMs: number): void {
    this.#wantedMs = delayMs;
    const target = Math.min(MOST_MS, Math.round((this.#networkMs ?? 0) + delayMs));
    const now = this.receiver.jitterBufferTarget;
    if (this.#open && (now === null || Math.abs(target - now) >= SAME_MS)) this.receiver.jitterBufferTarget = target;
  }

  /** Puts the target back to what it was. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#timer);
    this.receiver.jitterBufferTarget = this.#before;
  }

  async #measure(): Promise<void> {
    const report = await this.receiver.getStats().catch(() => undefined);
    if (!report || !this.#open) return;
    const stats = [...report.values()].find(({ type }: JitterBufferStats) => type === 'inbound-rtp');
    if (!stats) return;
    const held = meanMs(this.#last, stats, 'jitterBufferDelay');
    if (held === undefined) return;
    // Where the network's share is not told, it is what was held before anything more was asked for.
    this.#networkMs = meanMs(this.#last, stats, 'jitterBufferMinimumDelay') ?? this.#networkMs ?? held;
    this.#heldMs = held;
    this.#last = stats;
    this.aim(this.#wantedMs);
  }
}

/** Mean for each sample that was played from one report to the next. */
function meanMs(
  from: JitterBufferStats,
  to: JitterBufferStats,
  key: 'jitterBufferDelay' | 'jitterBufferMinimumDelay',
): number | undefined {
  const sum = to[key];
  const count = (to.jitterBufferEmittedCount ?? 0) - (from.jitterBufferEmittedCount ?? 0);
  return sum === undefined || count <= 0 ? undefined : ((sum - (from[key] ?? 0)) / count) * 1000;
}
