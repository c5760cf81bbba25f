import type { OperatorFunction } from 'rxjs';
import type { UpscaleEvent, UpscaleStats } from '../live/stats.js';
import { type Lane, type LaneEvents, laneOperator } from '../pipeline/operator.js';
import { type BrowserUpscaleOptions, checkBrowserOptions } from './options.js';
import { openStream } from './workers.js';

/** Choices of {@link manaUpscale}. */
export interface ManaUpscaleOptions extends BrowserUpscaleOptions {
  /** Receives figures a few times a second. */
  readonly onStats?: (stats: UpscaleStats) => void;
  /** Told what happens to the stream. */
  readonly onEvent?: (event: UpscaleEvent) => void;
}

/**
 * An RxJS operator that upscales VideoFrames, in the same workers as `upscaleTrack`.
 *
 * Frames that are pushed in belong to the operator; frames that come out belong to the subscriber, which closes them.
 * Timestamps pass unchanged. One frame waits while the network is busy, a newer one replaces it. Completion and source
 * errors come after the frames that were under way. An aborted `signal` errors the stream with its reason. Each subscription is a stream of its own; {@link shareFrames} shares.
 *
 * @example
 * ```ts
 * fromTrack(track).pipe(manaUpscale({ scale: 2 })).subscribe((frame) => { draw(frame); frame.close(); });
 * ```
 * @throws TypeError when an option is wrong
 */
export function manaUpscale(options: ManaUpscaleOptions = {}): OperatorFunction<VideoFrame, VideoFrame> {
  const settings = checkBrowserOptions(options);
  return laneOperator<VideoFrame, VideoFrame>(
    (events) => openLane(events, options, settings),
    (frame) => frame.close(),
  );
}

function openLane(
  { emit, over }: LaneEvents<VideoFrame>,
  { assets = {}, signal, onStats, onEvent }: ManaUpscaleOptions,
  settings: ReturnType<typeof checkBrowserOptions>,
): Lane<VideoFrame> {
  let finished: (() => void) | undefined;
  const stream = openStream(
    assets,
    settings,
    { kind: 'messages' },
    { kind: 'messages' },
    {
      frame: emit,
      stats: (stats) => onStats?.(stats),
      event: (event) => onEvent?.(event),
      ended: (error) => {
        if (finished && !error) finished();
        else over(error);
      },
    },
  );
  const abort = (): void => {
    stream.close();
    over(signal?.reason);
  };
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  return {
    push: (frame) => stream.push(frame),
    finish: () =>
      new Promise<void>((resolve) => {
        finished = resolve;
        stream.finish();
      }),
    dispose: () => {
      signal?.removeEventListener('abort', abort);
      stream.close();
    },
  };
}
