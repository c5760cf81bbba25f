/** Name by which the worklet registers its processor. */
export const DELAY_PROCESSOR = 'mana-audio-delay';

/** From the page to the worklet. The worklet answers with its delay, in seconds, whenever that changes. */
export type ToDelay = { readonly type: 'delay'; readonly seconds: number } | { readonly type: 'close' };

/**
 * What the way through an audio context takes beside its base latency, in milliseconds: a track's samples queue for the
 * context's next round, and those that leave wait for a packet of 10 ms to be full. Measured in Chromium, at a base latency
 * of 10 ms: 10 to 28 ms in all, another figure each time a track is connected, mostly 13 to 25. Firefox tells a base
 * latency of 0, and there it is true: its tracks and contexts are one graph, and sound passes within the same block.
 */
const PACKETS_MS = 9;
/** Channels of a track that does not tell. */
const USUAL_CHANNELS = 2;

/** One audio track by way of the delay worklet: a track goes in, the same sound comes out of another one, later. */
export class AudioDelay {
  /** The track that is later. */
  readonly track: MediaStreamTrack;
  readonly #source: MediaStreamAudioSourceNode;
  readonly #node: AudioWorkletNode;
  readonly #output: MediaStreamAudioDestinationNode;
  readonly #player: HTMLAudioElement;
  readonly #pathMs: number;
  #lineMs = 0;

  /**
   * @param context one that runs, with the worklet loaded
   * @param source neither stopped nor changed
   * @param failed told when the worklet's code has thrown; the track is silent from then on
   */
  constructor(context: AudioContext, source: MediaStreamTrack, failed: () => void) {
    const channelCount = Math.max(1, source.getSettings().channelCount ?? USUAL_CHANNELS);
    const shape = { channelCount, channelCountMode: 'explicit' } as const;
    this.#pathMs = context.baseLatency > 0 ? context.baseLatency * 1000 + PACKETS_MS : 0;
    this.#source = context.createMediaStreamSource(new MediaStream([source]));
    this.#node = new AudioWorkletNode(context, DELAY_PROCESSOR, {
      ...shape,
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [channelCount],
      processorOptions: { channels: channelCount },
    });
    this.#output = new MediaStreamAudioDestinationNode(context, shape);
    this.#node.port.onmessage = ({ data }: MessageEvent<number>) => {
      this.#lineMs = data * 1000;
    };
    this.#node.onprocessorerror = failed;
    this.#source.connect(this.#node).connect(this.#output);
    // Chromium gives a remote track's sound to an audio context only while an element plays the track.
    this.#player = new Audio();
    this.#player.muted = true;
    this.#player.srcObject = this.#source.mediaStream;
    this.#player.play().catch(() => undefined);
    const [track] = this.#output.stream.getAudioTracks();
    if (!track) throw new DOMException('This browser makes no track of an audio context.', 'NotSupportedError');
    this.track = track;
  }

  /** How much later the sound is now, in milliseconds: the delay line's own account, and the way through the context. */
  get delayMs(): number {
    return this.#lineMs + this.#pathMs;
  }

  /** How much later the sound shall be. It gets there within a second or two, and never below what the way takes. */
  aim(delayMs: number): void {
    this.#post({ type: 'delay', seconds: Math.max(0, delayMs - this.#pathMs) / 1000 });
  }

  /** Ends the track and releases everything. */
  close(): void {
    this.track.stop();
    this.#post({ type: 'close' });
    this.#node.port.onmessage = null;
    this.#node.onprocessorerror = null;
    this.#source.disconnect();
    this.#node.disconnect();
    this.#player.pause();
    this.#player.srcObject = null;
  }

  #post(message: ToDelay): void {
    this.#node.port.postMessage(message);
  }
}
