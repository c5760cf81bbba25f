import { reasonOf } from '../frame/errors.js';
import { type ContextLease, leaseContext, loadWorklet } from './audio-context.js';
import { AudioDelay } from './audio-delay.js';
import { hasJitterBufferTarget, JitterBufferDelay } from './jitter-buffer.js';

/**
 * How a stream's audio leaves:
 * - `none`: there is none, or it is over.
 * - `original`: the source's own tracks, not delayed. Until the browser lets an audio context run, and where it cannot.
 * - `delayed`: tracks of ours, delayed by an audio worklet.
 * - `jitter-buffer`: the source's own tracks, delayed by the jitter buffer of their receiver.
 */
export type AudioState = 'none' | 'original' | 'delayed' | 'jitter-buffer';

/** What keeps audio in step with a video that is late. */
export interface InStepSettings {
  /** The stream that the tracks leave in; its audio tracks are ours to change. */
  readonly output: MediaStream;
  /** The audio tracks as they came. */
  readonly tracks: readonly MediaStreamTrack[];
  /** The user's context, if they gave one. */
  readonly context: AudioContext | undefined;
  /** The receiver of one of the tracks, if they gave it. */
  readonly receiver: RTCRtpReceiver | undefined;
  readonly workletUrl: string;
  /** Told after each change of the state. */
  changed(from: AudioState, to: AudioState): void;
}

/** Audio tracks that leave as late as the video: delayed while that is possible, as they came while it is not. */
export class AudioInStep {
  /** Why the audio leaves as it does. */
  reason = '';
  readonly #settings: InStepSettings;
  readonly #buffer: JitterBufferDelay | undefined;
  /** Tracks that need the worklet, and their delays while it runs. */
  readonly #delays = new Map<MediaStreamTrack, AudioDelay | undefined>();
  #context: AudioContext | undefined;
  #lease: ContextLease | undefined;
  #state: AudioState = 'none';
  #videoMs = 0;
  #closed = false;

  constructor(settings: InStepSettings) {
    this.#settings = settings;
    const { output, tracks, receiver } = settings;
    for (const track of tracks) {
      output.addTrack(track);
      if (receiver?.track === track && hasJitterBufferTarget(receiver)) this.#buffer = new JitterBufferDelay(receiver);
      else this.#delays.set(track, undefined);
    }
    this.#state = this.#stateNow();
    if (this.#buffer) this.reason = 'The receiver’s jitter buffer delays the audio.';
    if (this.#delays.size > 0) this.#begin();
  }

  get state(): AudioState {
    return this.#state;
  }

  /** How much later the audio is now, in milliseconds; `null` where that is not known. */
  get delayMs(): number | null {
    if (this.#state === 'jitter-buffer') return this.#buffer?.delayMs ?? null;
    if (this.#state !== 'delayed') return 0;
    return [...this.#delays.values()].find((delay) => delay)?.delayMs ?? null;
  }

  /** By how much the audio is later than the video, in milliseconds; `null` where nothing holds them together. */
  get offsetMs(): number | null {
    if (this.#state === 'none' || this.#state === 'original') return null;
    return this.delayMs === null ? null : this.delayMs - this.#videoMs;
  }

  /** The video is late by so much. */
  follow(videoMs: number): void {
    this.#videoMs = videoMs;
    this.#buffer?.aim(videoMs);
    for (const delay of this.#delays.values()) delay?.aim(videoMs);
  }

  /** Ends the tracks that are ours and releases everything. The source's tracks go on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context?.removeEventListener('statechange', this.#watch);
    this.#buffer?.close();
    for (const [source, delay] of this.#delays) {
      source.removeEventListener('ended', this.#sourceEnded);
      delay?.close();
    }
    this.#delays.clear();
    this.#lease?.release();
    this.#state = 'none';
    this.reason = 'The stream is over.';
  }

  #begin(): void {
    this.reason = 'The audio context does not run yet.';
    try {
      if (!this.#settings.context) this.#lease = leaseContext();
      this.#context = this.#settings.context ?? this.#lease?.context;
    } catch (thrown) {
      this.reason = reasonOf(thrown);
      return;
    }
    for (const source of this.#delays.keys()) source.addEventListener('ended', this.#sourceEnded);
    this.#context?.addEventListener('statechange', this.#watch);
    this.#watch();
  }

  readonly #watch = (): void => {
    const state = this.#context?.state;
    if (state === 'running') void this.#start();
    else this.#stop(`The audio context is ${state}.`);
  };

  async #start(): Promise<void> {
    const context = this.#context;
    if (!context) return;
    try {
      await loadWorklet(context, this.#settings.workletUrl);
      // It may have stopped, or started twice, in the meantime.
      if (this.#closed || context.state !== 'running') return;
      for (const [source, delay] of this.#delays) {
        if (delay || source.readyState === 'ended') continue;
        const fresh = new AudioDelay(context, source, () => this.#stop('The audio worklet failed.'));
        fresh.aim(this.#videoMs);
        this.#delays.set(source, fresh);
        this.#swap(source, fresh.track);
      }
      this.#tell('The audio context runs.');
    } catch (thrown) {
      this.#stop(`The audio worklet cannot be used: ${reasonOf(thrown)}`);
    }
  }

  /** The source's own tracks leave again. */
  #stop(reason: string): void {
    if (this.#closed) return;
    for (const [source, delay] of this.#delays) {
      if (!delay) continue;
      this.#swap(delay.track, source);
      delay.close();
      this.#delays.set(source, undefined);
    }
    this.#tell(reason);
  }

  #swap(from: MediaStreamTrack, to: MediaStreamTrack): void {
    const { output } = this.#settings;
    output.removeTrack(from);
    output.addTrack(to);
  }

  /** There is nothing left to delay; who reads the stream should find the track that has ended. */
  readonly #sourceEnded = ({ target }: Event): void => {
    const source = target as MediaStreamTrack;
    const delay = this.#delays.get(source);
    this.#delays.delete(source);
    if (delay) this.#swap(delay.track, source);
    delay?.close();
    this.#tell(this.#delays.size > 0 ? this.reason : 'The audio has ended.');
  };

  #tell(reason: string): void {
    this.reason = reason;
    const from = this.#state;
    this.#state = this.#stateNow();
    if (this.#state !== from) this.#settings.changed(from, this.#state);
  }

  #stateNow(): AudioState {
    const delays = [...this.#delays.values()];
    if (delays.length === 0) return this.#buffer ? 'jitter-buffer' : 'none';
    return delays.every((delay) => delay) ? 'delayed' : 'original';
  }
}
