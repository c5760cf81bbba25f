import { fromTrack } from './from-track.js';
import { type ManaUpscaleOptions, manaUpscale } from './mana-upscale.js';

/** Frames kept for a consumer that is slower than the stream. */
const KEPT = 2;

/**
 * The upscaled frames of a track, for those who pull. A consumer that is slow misses the oldest frames. Leaving the
 * loop, or the track's end, releases everything. The consumer closes each frame.
 *
 * @example
 * ```ts
 * for await (const frame of frames(track, { scale: 2 })) {
 *   draw(frame);
 *   frame.close();
 * }
 * ```
 * @throws TypeError when the track or an option is wrong
 */
export function frames(track: MediaStreamTrack, options: ManaUpscaleOptions = {}): AsyncIterable<VideoFrame> {
  const source = fromTrack(track).pipe(manaUpscale(options));
  return {
    async *[Symbol.asyncIterator](): AsyncGenerator<VideoFrame, void, undefined> {
      const kept: VideoFrame[] = [];
      let over = false;
      let failure: { error: unknown } | undefined;
      let wake: () => void = () => undefined;
      const subscription = source.subscribe({
        next: (frame) => {
          kept.push(frame);
          if (kept.length > KEPT) kept.shift()?.close();
          wake();
        },
        error: (error: unknown) => {
          failure = { error };
          over = true;
          wake();
        },
        complete: () => {
          over = true;
          wake();
        },
      });
      try {
        for (;;) {
          const frame = kept.shift();
          if (frame) yield frame;
          else if (over) break;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
        if (failure) throw failure.error;
      } finally {
        subscription.unsubscribe();
        for (const frame of kept) frame.close();
      }
    },
  };
}
