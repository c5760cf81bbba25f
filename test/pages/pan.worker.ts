/** Feeds a track with the pan from a worker, whose timers go on when nobody sees the page. */
import { feed, KnownPan } from './known-pan.js';

/** What to feed. */
export interface PanOrder {
  readonly writable: WritableStream<VideoFrame>;
  readonly width: number;
  readonly height: number;
  readonly intervalMs: number;
}

/** Told of every frame: its number, and when it was written, in milliseconds since 1970. */
export interface PanFrame {
  readonly index: number;
  readonly atMs: number;
}

addEventListener('message', ({ data: { writable, width, height, intervalMs } }: MessageEvent<PanOrder>) => {
  const pan = new KnownPan(width, height);
  feed(
    writable,
    (index) => pan.frame(index),
    intervalMs,
    (index) => postMessage({ index, atMs: performance.timeOrigin + performance.now() } satisfies PanFrame),
  );
});
