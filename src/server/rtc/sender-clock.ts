/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_EPOCH_SECONDS = 2_208_988_800;

/** A 64-bit NTP time as milliseconds since 1970. */
export function ntpToMs(ntp: bigint): number {
  return (Number(ntp >> 32n) - NTP_EPOCH_SECONDS) * 1000 + (Number(ntp & 0xffffffffn) * 1000) / 2 ** 32;
}

/** Milliseconds since 1970 as a 64-bit NTP time. */
export function msToNtp(ms: number): bigint {
  const seconds = Math.floor(ms / 1000);
  const fraction = Math.floor(((ms - seconds * 1000) / 1000) * 2 ** 32);
  return (BigInt(seconds + NTP_EPOCH_SECONDS) << 32n) | BigInt(Math.min(fraction, 0xffffffff));
}

/** The 32 bits in the middle, as reports repeat them. */
export function compactNtp(ntp: bigint): number {
  return Number((ntp >> 16n) & 0xffffffffn);
}

/** No packet is on its way for longer: its timestamps have begun anew. */
const MAX_DELAY_MS = 10_000;

/** How a track's RTP timestamps lie on a time line. */
interface Anchor {
  readonly timestamp: number;
  readonly ms: number;
}

/**
 * Puts RTP timestamps of one publisher's audio and video on one time line, the server's wall clock, so that reports to
 * viewers let them keep lips and words together (RFC 3550, section 6.4.1). The publisher's own reports say how its two
 * tracks lie to each other; until both have come, what arrives together counts as of one time.
 */
export class SenderClock<Track extends string> {
  readonly #rates: Readonly<Record<Track, number>>;
  readonly #arrivals = new Map<Track, Anchor>();
  readonly #reports = new Map<Track, Anchor>();
  /** From the publisher's clock to ours. */
  #offsetMs: number | undefined;

  /** @param rates clock rates in Hz of the tracks that are sent */
  constructor(rates: Readonly<Record<Track, number>>) {
    this.#rates = rates;
  }

  /** Takes note of when a packet came, in milliseconds since 1970. */
  arrived(track: Track, timestamp: number, nowMs: number): void {
    const anchor = this.#arrivals.get(track);
    const sinceMs = anchor ? this.#between(track, anchor.timestamp, timestamp) : 0;
    const delayMs = anchor ? nowMs - (anchor.ms + sinceMs) : 0;
    // The packets that came soonest tell most.
    if (!anchor || delayMs < 0 || delayMs > MAX_DELAY_MS) this.#arrivals.set(track, { timestamp, ms: nowMs });
    // Moved on, so that differences never wrap.
    else if (Math.abs(sinceMs) > 60_000) this.#arrivals.set(track, { timestamp, ms: anchor.ms + sinceMs });
  }

  /** Takes note of a publisher's report: its time in milliseconds since 1970, and the timestamp of that time. */
  reported(track: Track, ms: number, timestamp: number): void {
    this.#reports.set(track, { timestamp, ms });
    if (this.#offsetMs !== undefined) return;
    const tracks = [...this.#arrivals.keys()];
    // A report can come before the first packet that says anything.
    if (tracks.length === 0 || !tracks.every((each) => this.#reports.has(each))) return;
    // As if the packet that took the shortest time had taken none.
    this.#offsetMs = Math.min(
      ...tracks.map((each) => {
        const [arrival, report] = [this.#arrivals.get(each), this.#reports.get(each)];
        if (!arrival || !report) return Number.POSITIVE_INFINITY;
        return arrival.ms - (report.ms + this.#between(each, report.timestamp, arrival.timestamp));
      }),
    );
  }

  /** When what has this timestamp was captured, in milliseconds since 1970 of our clock; `undefined` before any packet. */
  captureMs(track: Track, timestamp: number): number | undefined {
    const report = this.#offsetMs === undefined ? undefined : this.#reports.get(track);
    if (report) return report.ms + (this.#offsetMs ?? 0) + this.#between(track, report.timestamp, timestamp);
    const arrival = this.#arrivals.get(track);
    return arrival && arrival.ms + this.#between(track, arrival.timestamp, timestamp);
  }

  #between(track: Track, from: number, to: number): number {
    return (((to - from) | 0) * 1000) / this.#rates[track];
  }
}
