import type { Direction, MediaMetrics } from '../metrics.js';

/** What one peer has sent or received since that was last handed over. */
export interface TransferCounts {
  readonly audio: { packets: number; bytes: number };
  readonly video: { packets: number; bytes: number };
  /** Packets sent again. */
  resent: number;
  /** Packets that were asked for again: by us of a publisher, by a viewer of us. */
  nacks: number;
  /** Likewise keyframes. */
  keyframeRequests: number;
}

/** Counts of nothing. */
export function noTransfer(): TransferCounts {
  return {
    audio: { packets: 0, bytes: 0 },
    video: { packets: 0, bytes: 0 },
    resent: 0,
    nacks: 0,
    keyframeRequests: 0,
  };
}

/** Adds counts to the metrics and begins anew. `direction` is the media's; requests go the other way. */
export function handOver(counts: TransferCounts, direction: Direction, metrics: MediaMetrics): void {
  for (const kind of ['audio', 'video'] as const) {
    const { packets, bytes } = counts[kind];
    metrics.packets(direction, kind, packets, bytes);
    Object.assign(counts[kind], { packets: 0, bytes: 0 });
  }
  const requests = direction === 'in' ? 'out' : 'in';
  metrics.nacks(requests, counts.nacks);
  metrics.keyframeRequests(requests, counts.keyframeRequests);
  metrics.resent(counts.resent);
  Object.assign(counts, { resent: 0, nacks: 0, keyframeRequests: 0 });
}
