import type { Backend, StageTimes } from '../engine/engine.js';
import type { UpscaleErrorCode } from '../frame/errors.js';
import type { Size } from '../frame/frame.js';
import type { LoadProgress } from '../model/loader.js';
import type { Variant } from '../pipeline/levels.js';
import type { CheckedUpscaleOptions } from '../pipeline/options.js';
import type { UpscalerCounts } from '../pipeline/upscaler.js';
import type { OwnedFrame } from './frame-kind.js';
import type { Interruption, UpscaleEvent, UpscaleStats } from './stats.js';

/** What differs between the browser and Node. */
export interface Platform {
  /** What a frame is. It crosses threads by transfer. */
  readonly frame: OwnedFrame;
  /** What engine workers are started with. */
  readonly assets: { readonly engineWorker: string };
  /** Where a stream's frames can come from, and where its output can go. */
  readonly source: unknown;
  readonly sink: unknown;
  /** What a stream's source and sink can be asked for, and what they tell. */
  readonly ask: unknown;
  readonly tell: unknown;
}

/** Choices for one stream, checked and filled in. */
export interface StreamSettings extends CheckedUpscaleOptions {
  readonly backend: 'auto' | Backend;
  /** Size of the output, or `null`: `scale` times the first source size. */
  readonly size: Size | null;
  /**
   * Most pixels of an output that follows its source: `scale` times each source size, or the source's own where that is
   * more. `null`: the output keeps its size.
   */
  readonly followTo: number | null;
  /** Most pixels of a tile, halo included; `null`: as the engine allows. */
  readonly maxTilePixels: number | null;
  readonly threads: number;
  /** The higher one goes first where the engine has not the time for all. */
  readonly priority: number;
  /** Whether the output ends when its source does. */
  readonly endWithSource: boolean;
}

/** Page to `io` worker. */
export type ToIo<P extends Platform> =
  | { readonly type: 'start'; readonly assets: P['assets'] }
  | {
      readonly type: 'open';
      readonly id: number;
      readonly settings: StreamSettings;
      readonly source: P['source'];
      readonly sink: P['sink'];
    }
  | { readonly type: 'frame'; readonly id: number; readonly frame: P['frame'] }
  | { readonly type: 'end'; readonly id: number }
  /** What comes from now on does not go on from what came before. */
  | { readonly type: 'interrupt'; readonly id: number; readonly cause: Interruption }
  /** Another source takes the place of the one that was. */
  | { readonly type: 'source'; readonly id: number; readonly source: P['source'] }
  /** The page wants a `tick` so often, in milliseconds; `null`: none any more. */
  | { readonly type: 'ticks'; readonly id: number; readonly everyMs: number | null }
  | { readonly type: 'ask'; readonly id: number; readonly ask: P['ask'] }
  | { readonly type: 'priority'; readonly id: number; readonly priority: number }
  | { readonly type: 'close'; readonly id: number };

/** `io` worker to page. */
export type FromIo<P extends Platform> =
  | { readonly type: 'frame'; readonly id: number; readonly frame: P['frame'] }
  | { readonly type: 'tell'; readonly id: number; readonly tell: P['tell'] }
  | { readonly type: 'tick'; readonly id: number }
  | { readonly type: 'stats'; readonly id: number; readonly stats: UpscaleStats }
  | { readonly type: 'event'; readonly id: number; readonly event: UpscaleEvent }
  | { readonly type: 'ended'; readonly id: number };

/** `io` worker to `engine` worker. */
export type ToEngine<P extends Platform> =
  | { readonly type: 'start'; readonly assets: P['assets'] }
  | { readonly type: 'open'; readonly id: number; readonly settings: StreamSettings }
  | {
      readonly type: 'prepare';
      readonly id: number;
      readonly call: number;
      readonly variant: Variant;
      readonly size: Size;
    }
  | {
      readonly type: 'frame';
      readonly id: number;
      readonly call: number;
      readonly size: Size;
      readonly frame: P['frame'];
      /** The network that it is for. */
      readonly variant: Variant;
      /** When it came, in milliseconds since 1970: workers' own clocks begin at different times. */
      readonly arrivedMs: number;
      /** Frames to wait for after each centre from now on. */
      readonly lookahead: number;
      /** Time of the last frame that has left, by whatever way; `null` before the first. */
      readonly passedUs: number | null;
      /** Whether what came before must not be looked at any more. */
      readonly fresh: boolean;
    }
  | { readonly type: 'flush'; readonly id: number; readonly call: number }
  /** A network's window is over, or those of both: what comes begins a new one. */
  | { readonly type: 'reset'; readonly id: number; readonly variant: Variant | null }
  /** A network that may be wanted soon. */
  | { readonly type: 'preload'; readonly id: number; readonly call: number; readonly variant: Variant }
  /** Is anybody there? */
  | { readonly type: 'ping' }
  | { readonly type: 'close'; readonly id: number };

/** What runs a stream, as the engine worker found out. */
export interface EngineReport {
  readonly backend: Backend;
  readonly description: string;
  readonly model: string;
  readonly computedOverKept: number;
  /** Milliseconds that a frame took before the first one came. */
  readonly rehearsedMs: number;
  /** Milliseconds that tiles would have taken for which there was no time, all in all. */
  readonly leftOutMs: number;
  /** Frames that wait for those after them. */
  readonly waiting: number;
  /** Memory that the engine holds for the stream. */
  readonly bytes: number;
  /** Whose milliseconds `times` are. */
  readonly timed: 'gpu' | 'wall';
  readonly counts: UpscalerCounts;
  readonly times: StageTimes;
}

/** `engine` worker to `io` worker. Each call is answered once, by `done` or `failed`; a frame's by `taken` before. */
export type FromEngine<P extends Platform> =
  | { readonly type: 'frame'; readonly id: number; readonly frame: P['frame'] }
  /** The frame's pixels have been read: the next one may be sent, and waits while this one is worked on. */
  | { readonly type: 'taken'; readonly id: number; readonly call: number }
  | { readonly type: 'done'; readonly id: number; readonly call: number; readonly report: EngineReport | null }
  | {
      readonly type: 'failed';
      readonly id: number;
      /** The call that failed, or `null` for work that no call asked for. */
      readonly call: number | null;
      readonly code: UpscaleErrorCode;
      readonly reason: string;
      readonly recoverable: boolean;
    }
  | { readonly type: 'pong' }
  /** The model is on its way. */
  | { readonly type: 'loading'; readonly id: number; readonly progress: LoadProgress }
  | {
      readonly type: 'fallback';
      readonly id: number;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
    };
