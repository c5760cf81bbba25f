import type { UpscaleStats } from '../live/stats.js';
import { audioWorkletUrl } from './assets.js';
import { AudioInStep, type AudioState } from './audio-in-step.js';
import type { BrowserUpscaleOptions } from './options.js';
import { type UpscaledTrack, upscaleTrack } from './upscale-track.js';

/** Choices for {@link upscaleStream}: those for its video, and how its audio is delayed. */
export interface UpscaleStreamOptions extends BrowserUpscaleOptions {
  /**
   * A context of yours that delays the audio while it runs. It is neither resumed nor closed. Default: one of the
   * package's, shared by all streams, resumed when the person touches the page and closed with the last stream.
   */
  readonly audioContext?: AudioContext;
  /**
   * The receiver of one of the stream's audio tracks. Where it has a `jitterBufferTarget`, that delays the track, without
   * an audio context; it is set back at the end.
   *
   * Only for audio and video that were sent in different streams (`addTrack(track, stream)`, with a stream each). Those of
   * one stream are kept together by the browser: Chromium then slowly delays the video just as much.
   */
  readonly audioReceiver?: RTCRtpReceiver;
}

/** How the audio leaves has changed; so have the audio tracks of the stream. */
export interface AudioEvent {
  /** Tells the events apart. */
  readonly type: 'audio';
  /** How it left until now. */
  readonly from: AudioState;
  /** How it leaves from now on. */
  readonly to: AudioState;
  /** Why, for a person. */
  readonly reason: string;
}

/** Names of the events of an {@link UpscaledStream}, and what their `detail` holds. */
export interface UpscaleStreamEventMap {
  /** How the audio leaves has changed. Who sends the stream's tracks on, by WebRTC say, replaces them here. */
  audio: CustomEvent<AudioEvent>;
}

/** A stream in figures. */
export interface StreamStats extends UpscaleStats {
  /** As {@link UpscaledStream.audioOffsetMs}. */
  readonly audioOffsetMs: number | null;
}

/** An upscaled stream: its video enlarged, its audio as late as that. Made by {@link upscaleStream}. */
export interface UpscaledStream extends Disposable {
  /** The output: the upscaled video track and the audio. Its audio tracks change with {@link audio}. */
  readonly stream: MediaStream;
  /** The video, with its statistics and events. */
  readonly video: UpscaledTrack;
  /** How the audio leaves. */
  readonly audio: AudioState;
  /** Why it leaves so, for a person. */
  readonly audioReason: string;
  /** How much later the audio is than it came, in milliseconds; `null` where that is not known yet. */
  readonly audioDelayMs: number | null;
  /**
   * By how much the audio is late beside the video, in milliseconds: its delay less the video's `addedDelayMs.p50`. `null`
   * where nothing holds them together: the audio is `original`, or there is none.
   */
  readonly audioOffsetMs: number | null;
  /** The video's latest figures, and the audio's offset beside it. */
  stats(): StreamStats;
  /** Listens for `audio`. */
  addEventListener<Type extends keyof UpscaleStreamEventMap>(
    type: Type,
    listener: (event: UpscaleStreamEventMap[Type]) => void,
    options?: AddEventListenerOptions,
  ): void;
  /** Stops listening. */
  removeEventListener<Type extends keyof UpscaleStreamEventMap>(
    type: Type,
    listener: (event: UpscaleStreamEventMap[Type]) => void,
  ): void;
  /** Ends the tracks of the output that are not the source's and releases everything. The source's tracks go on. */
  dispose(): void;
}

/**
 * Upscales a stream's video and delays its audio just as much, so that lips and words stay together. The source's tracks
 * are neither stopped nor changed.
 *
 * Takes the first video track and all audio tracks that the stream has now. The audio leaves as it came until the browser
 * lets an audio context run, which may take a click on the page, and whenever that context stops; `audio` always says
 * which it is. Its delay follows the video's without clicks or a change of pitch, by at most some 300 ms a second.
 * Ends with its video: when that source ends, the output is stopped, or `signal` is aborted.
 *
 * @param stream a stream with a live video track
 * @example
 * ```ts
 * const upscaled = await upscaleStream(stream, { scale: 2 });
 * video.srcObject = upscaled.stream;
 * ```
 * @throws TypeError when the stream has no live video track or an option is wrong; what {@link upscaleTrack} throws
 */
export async function upscaleStream(stream: MediaStream, options: UpscaleStreamOptions = {}): Promise<UpscaledStream> {
  if (typeof MediaStream === 'undefined' || !(stream instanceof MediaStream)) {
    throw new TypeError('stream must be a MediaStream.');
  }
  const [track] = stream.getVideoTracks();
  if (!track) throw new TypeError('stream has no video track to upscale.');
  const tracks = stream.getAudioTracks().filter(({ readyState }) => readyState === 'live');
  checkAudioOptions(options, tracks);
  const upscaled = new StreamUpscaling(await upscaleTrack(track, options), tracks, options);
  // Only the type of the listeners is narrower than EventTarget's.
  return upscaled as StreamUpscaling & Pick<UpscaledStream, 'addEventListener' | 'removeEventListener'>;
}

class StreamUpscaling extends EventTarget {
  readonly stream: MediaStream;
  readonly #audio: AudioInStep;

  constructor(
    readonly video: UpscaledTrack,
    tracks: readonly MediaStreamTrack[],
    { audioContext, audioReceiver, assets = {} }: UpscaleStreamOptions,
  ) {
    super();
    this.stream = new MediaStream([video.track]);
    this.#audio = new AudioInStep({
      output: this.stream,
      tracks,
      context: audioContext,
      receiver: audioReceiver,
      workletUrl: audioWorkletUrl(assets),
      changed: (from, to) => {
        const detail: AudioEvent = { type: 'audio', from, to, reason: this.audioReason };
        this.dispatchEvent(new CustomEvent('audio', { detail }));
      },
    });
    video.stats$.subscribe({
      next: ({ addedDelayMs }) => this.#audio.follow(addedDelayMs.p50),
      complete: () => this.#audio.close(),
    });
  }

  get audio(): AudioState {
    return this.#audio.state;
  }

  get audioReason(): string {
    return this.#audio.reason;
  }

  get audioDelayMs(): number | null {
    return this.#audio.delayMs;
  }

  get audioOffsetMs(): number | null {
    return this.#audio.offsetMs;
  }

  stats(): StreamStats {
    return { ...this.video.stats(), audioOffsetMs: this.audioOffsetMs };
  }

  dispose(): void {
    this.#audio.close();
    this.video.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkAudioOptions(
  { audioContext, audioReceiver }: UpscaleStreamOptions,
  tracks: readonly MediaStreamTrack[],
): void {
  if (audioContext !== undefined && !(audioContext instanceof AudioContext)) {
    throw new TypeError('options.audioContext, when provided, must be an AudioContext.');
  }
  if (audioReceiver === undefined) return;
  if (!(audioReceiver instanceof RTCRtpReceiver) || !tracks.includes(audioReceiver.track)) {
    throw new TypeError(
      'options.audioReceiver, when provided, must be the RTCRtpReceiver of a live audio track of stream.',
    );
  }
}
