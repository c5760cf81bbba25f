import type { OperatorFunction } from 'rxjs';
import { checkFrame } from '../frame/check.js';
import { reasonOf } from '../frame/errors.js';
import type { PlanarFrame } from '../frame/frame.js';
import { LiveClient } from '../live/client.js';
import type { StreamSettings } from '../live/protocol.js';
import type { UpscaleEvent, UpscaleStats } from '../live/stats.js';
import { type Lane, type LaneEvents, laneOperator } from '../pipeline/operator.js';
import { memoryFrame } from './memory-frame.js';
import type { NodePlatform } from './node-platform.js';
import { checkNodeOptions, type NodeStreamOptions } from './options.js';
import { startThread } from './threads.js';

/** Choices of {@link manaUpscale} in Node. */
export interface NodeUpscaleOptions extends NodeStreamOptions {
  /** Receives figures a few times a second. */
  readonly onStats?: (stats: UpscaleStats) => void;
  /** Told what happens to the stream. */
  readonly onEvent?: (event: UpscaleEvent) => void;
}

/** One pair of threads serves all streams of a process. */
const client = new LiveClient<NodePlatform>();

function start(): { worker: ReturnType<typeof startThread>; assets: NodePlatform['assets'] } {
  return {
    worker: startThread(new URL('./io.thread.js', import.meta.url), 'mana-io'),
    assets: { engineWorker: new URL('./engine.thread.js', import.meta.url).href },
  };
}

/**
 * An RxJS operator that upscales frames in memory, on other threads.
 *
 * A frame that is pushed in belongs to the operator. A buffer that its `data` fills from end to end moves to another
 * thread, and is empty afterwards; a part of a larger buffer is copied. Output frames are `RGBX`, carry the timestamps of
 * their source and own their bytes. One frame waits while the network is busy, a newer one replaces it. Until the network
 * is ready, where it has not the time, and when it fails, frames are made by plain resampling; `onEvent` says why. The
 * stream never errors because of us: what is no frame is passed over, and told. Completion and source errors come after
 * the frames that were under way. Each subscription is a stream of its own.
 *
 * @example
 * ```ts
 * decodedFrames.pipe(manaUpscale({ scale: 2 })).subscribe((frame) => encoder.encode(frame));
 * ```
 * @throws TypeError when an option is wrong
 */
export function manaUpscale(options: NodeUpscaleOptions = {}): OperatorFunction<PlanarFrame, PlanarFrame> {
  const settings = checkNodeOptions(options);
  return laneOperator<PlanarFrame, PlanarFrame>(
    (events) => openLane(events, options, settings),
    () => undefined,
  );
}

function openLane(
  { emit, over }: LaneEvents<PlanarFrame>,
  { onStats, onEvent }: NodeUpscaleOptions,
  settings: StreamSettings,
): Lane<PlanarFrame> {
  let finished: (() => void) | undefined;
  const tell = (event: UpscaleEvent): void => told(() => onEvent?.(event));
  const stream = client.open(
    start,
    settings,
    { source: null, sink: null },
    {
      frame: ({ planar }) => emit(planar),
      stats: (stats) => told(() => onStats?.(stats)),
      event: tell,
      ended: (error) => {
        if (finished && !error) finished();
        else over(error);
      },
    },
  );
  return {
    push: (frame) => {
      try {
        checkFrame(frame);
      } catch (thrown) {
        tell({ type: 'fallback', from: 'frame', to: 'none', reason: reasonOf(thrown) });
        return;
      }
      stream.push(memoryFrame(frame));
    },
    finish: () =>
      new Promise<void>((resolve) => {
        finished = resolve;
        stream.finish();
      }),
    dispose: () => stream.close(),
  };
}

/** What a listener throws is the user's error, not the stream's. */
function told(listen: () => void): void {
  try {
    listen();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
