import type { OrtFiles } from '../engine/ort/runtime.js';
import type { FromIo as AnyFromIo, ToIo as AnyToIo } from '../live/protocol.js';
import type { ModelLocation } from '../model/loader.js';
import type { ShippedModel } from '../model/registry.js';

/** URLs the workers need, all absolute. */
export interface WorkerAssets {
  readonly engineWorker: string;
  readonly ort: Readonly<Record<'webgpu' | 'wasm', OrtFiles>>;
  readonly models: Readonly<Record<ShippedModel, ModelLocation>>;
}

/** Where a stream's frames come from: a readable, a track that this worker reads itself, or `frame` messages. */
export type StreamSource =
  | { readonly kind: 'readable'; readonly readable: ReadableStream<VideoFrame> }
  | { readonly kind: 'track'; readonly track: MediaStreamTrack }
  | { readonly kind: 'messages' };

/** Where its output goes: a writable, a track that this worker makes, or `frame` messages. */
export type StreamSink =
  | { readonly kind: 'writable'; readonly writable: WritableStream<VideoFrame> }
  | { readonly kind: 'track' }
  | { readonly kind: 'messages' };

/** The live core in a browser. */
export interface BrowserPlatform {
  readonly frame: VideoFrame;
  readonly assets: WorkerAssets;
  readonly source: StreamSource;
  readonly sink: StreamSink;
  /** Turns the source track that the worker holds on or off. */
  readonly ask: { readonly enabled: boolean };
  /** The track that the worker made. */
  readonly tell: MediaStreamTrack;
}

/** Page to `io` worker. */
export type ToIo = AnyToIo<BrowserPlatform>;
/** `io` worker to page. */
export type FromIo = AnyFromIo<BrowserPlatform>;
