/** What counts of an RTP packet here, whoever parsed it. The payload is read, and kept for a while, but never written to. */
export interface RtpPacketLike {
  /** 16 bits. */
  readonly sequenceNumber: number;
  /** 32 bits; for video of 90 kHz. */
  readonly timestamp: number;
  /** For video: the last packet of its picture. */
  readonly marker: boolean;
  /** Without header, extensions and padding. Empty in packets that are padding only; they take sequence numbers all the same. */
  readonly payload: Uint8Array;
  readonly payloadType?: number;
}

/** RTP ticks a second for every video format (RFC 6184, RFC 7741). */
export const VIDEO_CLOCK_HZ = 90_000;

/** Microseconds of a time in 90 kHz ticks, whole; {@link ticksOf} gives the same ticks back. */
export function microsecondsOf(ticks: number): number {
  return Math.round((ticks * 100) / 9);
}

/** 90 kHz ticks of a time in microseconds, rounded. */
export function ticksOf(timestampUs: number): number {
  return Math.round((timestampUs * 9) / 100);
}
