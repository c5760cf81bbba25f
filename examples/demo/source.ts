import type { Scene } from './scene.js';

/** Something that makes a video track. */
export interface Source {
  readonly track: MediaStreamTrack;
  /** Of its frames, where that is known beforehand. */
  readonly size?: Size;
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

/** Whether two sizes are known, and equal. */
export function sameSize(one: Size | undefined, other: Size | undefined): boolean {
  return one !== undefined && one.width === other?.width && one.height === other.height;
}
