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

  /** What is known by now, in sentences. */
  sentence(state: MediaStreamTrackState, nowMs: number): string {
    const longest = Math.max(this.#longestMs, nowMs - this.#lastFrameMs);
    return (
      `${this.name}: ${this.#course(nowMs)} The output track is ${state}: ${this.#frames} frames since, ` +
      `never more than ${longest.toFixed(0)} ms from one to the next.`
    );
  }

  #course(nowMs: number): string {
    const since = this.#struckMs ?? this.askedMs;
    const after = (ms: number): string => seconds(Math.max(0, ms - since));
    if (this.#backMs !== undefined) return `the network is back after ${after(this.#backMs)}.`;
    if (this.#leftMs !== undefined)
      return `the browser’s scaling makes the picture, for ${seconds(nowMs - this.#leftMs)} now.`;
    if (this.#struckMs !== undefined) return 'it struck, and the network still makes the picture.';
    if (nowMs - this.askedMs < PATIENCE_MS) return 'asked for.';
    return 'it has not struck: nothing it could strike has happened since.';
  }
}
