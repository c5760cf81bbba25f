import type { Backend, StageTimes } from '../engine/engine.js';
import { noTimes } from '../engine/engine.js';
import type { Size } from '../frame/frame.js';
import type { LoadProgress } from '../model/loader.js';
import type { Level, LevelNumbers } from '../pipeline/levels.js';

/** Frames that never came out, by cause. */
export interface DroppedFrames {
  /** A newer frame came while the network was busy. */
  busy: number;
  /** Out of order, or not done in time: a newer frame had left. */
  late: number;
  /** The output's consumer did not take those before. */
  unread: number;
  /** The engine failed on it, or it could not be read. */
  failed: number;
}

/**
 * Why frames do not go on from those before: the source was muted, switched or began again, its frames changed size,
 * orientation or format, or the page was hidden where that stops them.
 */
export type Interruption = 'mute' | 'source' | 'shape' | 'hidden';

/**
 * Why the network began anew, without looking at what came before: a scene cut, a second without frames, or an
 * {@link Interruption}.
 */
export type WindowResets = Readonly<Record<'cut' | 'gap' | Interruption, number>>;

/** Two percentiles of a series. */
export interface Percentiles {
  /** Half of the values are below. */
  readonly p50: number;
  /** 95 % of the values are below. */
  readonly p95: number;
}

/** A stream in figures, in the manner of `RTCPeerConnection.getStats()`. */
export interface UpscaleStats {
  /** Where the network runs, or `null` while no network makes the picture. Always the truth. */
  readonly backend: Backend | null;
  /** Adapter or threads of that backend. */
  readonly backendDescription: string;
  /** The model in use, or `null`. */
  readonly model: string | null;
  /**
   * What the picture is made by now: the rung of the ladder. Single frames that were not done in time are made by the
   * platform's resampling without a change of level; `framesByLevel` counts them.
   */
  readonly level: Level;
  /** Why that level, for a person. */
  readonly levelReason: string;
  /** Frames that the network waits for after each frame. */
  readonly lookahead: number;
  /** Frames that came in and have not left: those that wait for their turn, and those inside the network. */
  readonly queueLength: number;
  /** Size of the last source frame, or `null` before the first. */
  readonly inputSize: Size | null;
  /** Size of every output frame, or `null` before the first source frame. */
  readonly outputSize: Size | null;
  /** Source frames that came in. */
  readonly framesReceived: number;
  /** Output frames that left. */
  readonly framesDelivered: number;
  /** Delivered frames by what made them. */
  readonly framesByLevel: Readonly<Record<Level, number>>;
  /** Source frames that never came out, by cause. */
  readonly framesDropped: Readonly<DroppedFrames>;
  /** Frames through the encoder; no frame twice. */
  readonly framesEncoded: number;
  /** Frames that were not encoded because the picture stood still. */
  readonly framesRepeated: number;
  /** Tiles that the network computed. */
  readonly tilesComputed: number;
  /** Tiles not computed because none of their inputs had changed. */
  readonly tilesReused: number;
  /** Tiles enlarged without the network, because the time of their frame was up. */
  readonly tilesCheap: number;
  /** How often the network began anew, by cause. */
  readonly windowResets: WindowResets;
  /** Received in the last two seconds, per second. */
  readonly framesPerSecondIn: number;
  /** Delivered in the last two seconds, per second. */
  readonly framesPerSecond: number;
  /**
   * Milliseconds per frame by stage, over the last two seconds. On WebGPU they are the GPU's own where it has timestamps;
   * otherwise its share is in `wait`.
   */
  readonly stageMs: Readonly<StageTimes>;
  /** Whose milliseconds those are. */
  readonly stageClock: 'gpu' | 'wall';
  /** From a frame's arrival to its departure, in milliseconds, over the last 256 frames of this level. Lookahead is part of it. */
  readonly addedDelayMs: Percentiles;
  /** Sum of that time over all delivered frames, in seconds. */
  readonly totalProcessingDelay: number;
  /** From the call to the first frame the network made, in milliseconds, or `null` until then. */
  readonly timeToFirstNetworkFrameMs: number | null;
  /** Pixels computed per pixel kept: halos are work thrown away. */
  readonly computedOverKept: number;
  /** Memory that the engine holds for this stream, in bytes: ring, working planes, output picture. */
  readonly engineBytes: number;
  /** Engine workers that were given up because they crashed, hung, lost their device or computed wrongly. */
  readonly engineRestarts: number;
}

/** What makes the picture changed, or the network's lookahead did: then both levels are the same. */
export interface LevelEvent {
  /** Tells the events apart. */
  readonly type: 'level';
  /** What made the picture until now. */
  readonly from: Level;
  /** What makes it from now on. */
  readonly to: Level;
  /** Why, for a person. */
  readonly reason: string;
  /** The numbers behind it, or `null` where none were. */
  readonly numbers: LevelNumbers | null;
}

/** Something that was wanted cannot be had. The stream goes on with something else. */
export interface FallbackEvent {
  /** Tells the events apart. */
  readonly type: 'fallback';
  /** What was wanted: a backend, or the network. */
  readonly from: string;
  /** What is taken instead. */
  readonly to: string;
  /** Why, for a person. */
  readonly reason: string;
}

/** The model's files are on their way. Told a few times a second until they are here. */
export interface LoadingEvent extends LoadProgress {
  /** Tells the events apart. */
  readonly type: 'loading';
}

/** The stream is over: its source ended, or it was stopped. */
export interface EndedEvent {
  /** Tells the events apart. */
  readonly type: 'ended';
}

/** What happened to a stream. */
export type UpscaleEvent = LevelEvent | FallbackEvent | LoadingEvent | EndedEvent;

/** Figures of a stream that has not begun. */
export function noStats(): UpscaleStats {
  return {
    backend: null,
    backendDescription: '',
    model: null,
    level: 'fast',
    levelReason: '',
    lookahead: 0,
    queueLength: 0,
    inputSize: null,
    outputSize: null,
    framesReceived: 0,
    framesDelivered: 0,
    framesByLevel: noLevels(),
    framesDropped: { busy: 0, late: 0, unread: 0, failed: 0 },
    framesEncoded: 0,
    framesRepeated: 0,
    tilesComputed: 0,
    tilesReused: 0,
    tilesCheap: 0,
    windowResets: { cut: 0, gap: 0, mute: 0, source: 0, shape: 0, hidden: 0 },
    framesPerSecondIn: 0,
    framesPerSecond: 0,
    stageMs: noTimes(),
    stageClock: 'wall',
    addedDelayMs: { p50: 0, p95: 0 },
    totalProcessingDelay: 0,
    timeToFirstNetworkFrameMs: null,
    computedOverKept: 1,
    engineBytes: 0,
    engineRestarts: 0,
  };
}

/** A count for each level, all zero. */
export function noLevels(): Record<Level, number> {
  return { full: 0, short: 0, small: 0, fast: 0, 'pass-through': 0 };
}
