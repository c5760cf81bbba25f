import { Logging, LogLevel } from 'mediabunny';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Choice } from '../../live/backends.js';
import type { MessageScope } from '../../live/scope.js';
import { browserBackends } from '../browser-backends.js';
import type { WorkerAssets } from '../browser-platform.js';
import type { StartBackends } from './enduring-network.js';
import { FileJob } from './job.js';
import { openMedia } from './open-media.js';
import { type OutputPlace, openPlace } from './output-place.js';
import type { FromFile, ToFile } from './protocol.js';

/** Progress of a model is told this often. */
const LOADING_EVERY_MS = 200;

/** What may be replaced in a {@link hostFile}. */
export interface FileHostOptions {
  /** Makes the backends. */
  readonly backends?: (assets: WorkerAssets, lost: Parameters<StartBackends>[0]) => Choice<VideoFrame>;
  /** Shown each upscaled frame as it is encoded. */
  readonly made?: (frame: VideoFrame) => void;
}

/** Runs a `file` worker: one file, from its bytes to those of the output. */
export function hostFile(scope: MessageScope, options: FileHostOptions = {}): void {
  // What goes wrong is told to the page, which may want nothing on its console.
  Logging.level = LogLevel.Silent;
  const aborted = new AbortController();
  const pictures = { owed: true, shownMs: Number.NEGATIVE_INFINITY };
  const post = (message: FromFile, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);
  let started = false;
  scope.addEventListener('message', ({ data }: MessageEvent<ToFile>) => {
    if (data.type === 'abort') aborted.abort();
    else if (data.type === 'seen') pictures.owed = true;
    else if (!started) {
      started = true;
      const job = run(data, options, pictures, post, aborted.signal);
      job.catch((thrown: unknown) => {
        const ours = thrown instanceof UpscaleError;
        post({
          type: 'failed',
          message: ours ? thrown.message : reasonOf(thrown),
          code: ours ? thrown.code : null,
          recoverable: ours && thrown.recoverable,
        });
      });
    }
  });
}

async function run(
  { assets, settings, source, sink }: Extract<ToFile, { type: 'start' }>,
  { backends = browserBackends, made }: FileHostOptions,
  pictures: { owed: boolean; shownMs: number },
  post: (message: FromFile, transfer?: Transferable[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const notices = new Set<string>();
  const notice = (message: string): void => {
    if (notices.has(message)) return;
    notices.add(message);
    post({ type: 'event', event: { type: 'notice', message } });
  };
  const show = (frame: VideoFrame): void => {
    made?.(frame);
    const now = performance.now();
    const { pictureEveryMs } = settings;
    if (pictureEveryMs === null || !pictures.owed || now - pictures.shownMs < pictureEveryMs) return;
    pictures.owed = false;
    pictures.shownMs = now;
    const picture = frame.clone();
    post({ type: 'picture', picture }, [picture]);
  };
  let loadingMs = Number.NEGATIVE_INFINITY;
  const media = await openMedia(source, assets, notice, signal);
  let place: OutputPlace | undefined;
  try {
    signal.throwIfAborted();
    place = await openPlace(sink, notice);
    let bytes = 0;
    place.target.on('write', ({ end }) => {
      bytes = Math.max(bytes, end);
    });
    const hooks = {
      start: (lost: Parameters<StartBackends>[0]) => backends(assets, lost),
      notice,
      made: show,
      event: (event: Extract<FromFile, { type: 'event' }>['event']) => {
        const now = performance.now();
        if (event.type === 'loading' && event.loaded < event.total && now - loadingMs < LOADING_EVERY_MS) return;
        if (event.type === 'loading') loadingMs = now;
        post({ type: 'event', event });
      },
      progress: (progress: Extract<FromFile, { type: 'progress' }>['progress']) => post({ type: 'progress', progress }),
    };
    const done = await new FileJob(media, place, settings, hooks, signal).run();
    const blob = await place.finish(done.mimeType);
    post({ type: 'done', summary: { ...done, bytes, notices: [...notices] }, blob });
  } catch (thrown) {
    await place?.discard();
    throw thrown;
  } finally {
    media.dispose();
  }
}
