/** What werift keeps of the packets of one SSRC, and what we add. */
export interface RolloverState {
  /** Of the packet in hand. */
  rolloverCounter: number;
  /** The highest sequence number so far. */
  lastSequenceNumber: number;
  rolloverHasProcessed?: boolean;
  /** The counter that belongs to `lastSequenceNumber`. */
  highestRollover?: number;
}

const HALF = 1 << 15;

/**
 * Estimates an SRTP packet's rollover counter, as RFC 3711, section 3.3.1 and appendix A, has it. In place of werift's own,
 * which counts a wrap only where the packets on both sides of it are within a hundred of it: after a longer gap there, or
 * with a packet that comes late, every later packet fails to authenticate.
 */
export function updateRolloverCount(sequenceNumber: number, state: RolloverState): void {
  const highest = state.lastSequenceNumber;
  const rollover = state.highestRollover ?? 0;
  const ahead = (sequenceNumber - highest) & 0xffff;
  const first = !state.rolloverHasProcessed;
  if (!first && ahead >= HALF) {
    // An older packet: it moves nothing.
    state.rolloverCounter = sequenceNumber > highest ? Math.max(0, rollover - 1) : rollover;
    return;
  }
  state.rolloverHasProcessed = true;
  state.rolloverCounter = !first && sequenceNumber < highest ? rollover + 1 : rollover;
  state.highestRollover = state.rolloverCounter;
  state.lastSequenceNumber = sequenceNumber;
}
