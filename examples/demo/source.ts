import type { Scene } from './scene.js';

/** Something that makes a video track. */
export interface Source {
  readonly track: MediaStreamTrack;
  /** The scene that the track shows, where it is that: its truth is known. */
  readonly scene?: Scene;
  /** Ends the track and releases everything. */
  stop(): void;
}

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}
