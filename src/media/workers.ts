import { LiveClient, type StreamEvents, type WorkerStream } from '../live/client.js';
import type { StreamSettings } from '../live/protocol.js';
import { type AssetUrls, startIoWorker, workerAssets } from './assets.js';
import type { BrowserPlatform, StreamSink, StreamSource } from './browser-platform.js';

/** One pair of workers serves all streams of a page. */
const client = new LiveClient<BrowserPlatform>();

/** Opens a stream in the page's workers, starting them if there are none. */
export function openStream(
  assets: AssetUrls,
  settings: StreamSettings,
  source: StreamSource,
  sink: StreamSink,
  events: StreamEvents<BrowserPlatform>,
): WorkerStream<BrowserPlatform> {
  const transfer = [...movesWith(source), ...(sink.kind === 'writable' ? [sink.writable] : [])];
  const start = () => ({ assets: workerAssets(assets), worker: startIoWorker(assets) });
  return client.open(start, settings, { source, sink, transfer }, events);
}

/** What has to be transferred with a source. */
export function movesWith(source: StreamSource): Transferable[] {
  if (source.kind === 'readable') return [source.readable];
  return source.kind === 'track' ? [source.track as unknown as Transferable] : [];
}
