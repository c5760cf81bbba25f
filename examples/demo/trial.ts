import type { LevelEvent } from 'mana-upscale';
import { isNetwork, seconds } from './sentences.js';

/** A fault that has not struck by then is said not to. */
const PATIENCE_MS = 4000;

/** What became of the picture after a fault was asked for. It keeps no clock: it is told what the time is. */
export class Trial {
  #struckMs: number | undefined;
  #leftMs: number | undefined;
  #backMs: number | undefined;
  #frames = 0;
  #lastFrameMs: number;
  #longestMs = 0;

  /**
   * @param name the fault, as the page calls it
   * @param network whether a network made the picture then
   */
  constructor(
    readonly name: string,
    network: boolean,
    readonly askedMs: number,
  ) {
    this.#lastFrameMs = askedMs;
    if (!network) this.#leftMs = askedMs;
  }

  struck(nowMs: number): void {
    this.#struckMs ??= nowMs;
  }

  level({ to }: LevelEvent, nowMs: number): void {
    if (!isNetwork(to)) {
      this.#leftMs ??= nowMs;
      this.#backMs = undefined;
    } else if (this.#leftMs !== undefined) this.#backMs ??= nowMs;
  }

  /** An output frame was shown. */
  frame(nowMs: number): void {
    this.#frames++;
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastFrameMs);
    this.#lastFrameMs = nowMs;
  }

  /** What became of the network by now. It changes only when something does. */
  course(nowMs: number): string {
    const since = this.#struckMs ?? this.askedMs;
    if (this.#backMs !== undefined) return `${this.name}: the network is back after ${seconds(this.#backMs - since)}.`;
    if (this.#leftMs !== undefined) return `${this.name}: the browser’s scaling makes the picture.`;
    if (this.#struckMs !== undefined) return `${this.name}: done, and the network still makes the picture.`;
    if (nowMs - this.askedMs < PATIENCE_MS) return `${this.name}: asked for.`;
    return `${this.name}: it has not struck, as nothing that it could strike has happened since.`;
  }

  /** What became of the output by now. */
  output(state: MediaStreamTrackState, nowMs: number): string {
    const longest = Math.max(this.#longestMs, nowMs - this.#lastFrameMs);
    return (
      `The output track is ${state}: ${this.#frames} frames in ${seconds(nowMs - this.askedMs)}, ` +
      `never more than ${longest.toFixed(0)} ms from one to the next.`
    );
  }
}
