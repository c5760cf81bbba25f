import type { OperatorFunction } from 'rxjs';
import { type Lane, laneOperator } from '../pipeline/operator.js';
import { type BrowserUpscaleOptions, checkBrowserOptions } from './options.js';
import type { UpscaleEvent, UpscaleStats } from './stats.js';
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
 * errors come after the frames that were under way. Each subscription is a stream of its own; {@link shareFrames} shares.
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
    (emit) => openLane(emit, options, settings),
    (frame) => frame.close(),
  );
}

function openLane(
  emit: (frame: VideoFrame) => void,
  { assets = {}, signal, onStats, onEvent }: ManaUpscaleOptions,
  settings: ReturnType<typeof checkBrowserOptions>,
): Lane<VideoFrame> {
  let over: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    over = resolve;
  });
  const stream = openStream(
    assets,
    settings,
    { kind: 'messages' },
    { kind: 'messages' },
    { frame: emit, stats: (stats) => onStats?.(stats), event: (event) => onEvent?.(event), ended: over },
  );
  const close = (): void => stream.close();
  signal?.addEventListener('abort', close, { once: true });
  if (signal?.aborted) close();
  return {
    push: (frame) => stream.push(frame),
    finish: () => {
      stream.finish();
      return ended;
    },
    dispose: () => {
      signal?.removeEventListener('abort', close);
      close();
    },
  };
}
