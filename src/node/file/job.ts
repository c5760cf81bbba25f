import type { StreamSettings } from '../../live/protocol.js';
import type { Damage } from './damage.js';
import type { EncodingChoices } from './encoding.js';
import type { Span } from './mux.js';

/** A file to be upscaled, with all choices made. */
export interface FileJob {
  /** A path, or `-` for standard input. */
  readonly input: string;
  /** A path, or `-` for pictures on standard output. */
  readonly output: string;
  readonly settings: StreamSettings;
  readonly encoding: EncodingChoices;
  readonly span: Span;
  readonly resume: boolean;
  readonly overwrite: boolean;
  /** Source pictures with more pixels are refused. */
  readonly maxPixels: number;
  /** Frames of a segment. */
  readonly segmentFrames: number;
}

/** How far a job is. */
export interface JobProgress {
  readonly frames: number;
  /** Frames in all, as far as the file tells. */
  readonly total: number | undefined;
  /** Frames that were there when this run began. */
  readonly kept: number;
  readonly backend: string;
}

/** Told while a job runs. */
export interface JobEvents {
  /** Something the user should know, in a sentence. */
  notice(sentence: string): void;
  progress(progress: JobProgress): void;
}

/** What has become of a job. */
export interface JobResult {
  readonly output: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly seconds: number;
  /** Of them, until the network was ready. */
  readonly startSeconds: number;
  readonly backend: string;
  readonly model: string;
  readonly damage: Damage;
}
