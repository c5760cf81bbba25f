/**
 * A WebRTC server that upscales: publishers send by WHIP, viewers watch by WHEP.
 * @module
 */
export type { CodedPicture, VideoCodec } from './codecs/codec.js';
export type { CodecLibrary } from './codecs/load.js';
export { createServer } from './create-server.js';
export type { HttpServer } from './http/server.js';
export type {
  AuthOptions,
  Authorize,
  AuthorizeQuestion,
  IceServer,
  LimitOptions,
  LogLevel,
  MediaOptions,
  PortRange,
  ServerOptions,
  StreamAction,
  StreamTokens,
  UpscaleSettings,
} from './options.js';
export type { OpenProcessor, ProcessorListener, VideoProcessor } from './processor.js';
export { type ProcessorOptions, type Processors, type ProcessorsListener, processors } from './transcode/processors.js';
