import { type PlanarFrame, type Size, sameSize } from '../../frame/frame.js';
import type { SinkListener } from '../../live/io-host.js';
import type { Sink } from '../../live/io-stream.js';
import type { MemoryFrame } from '../../node/memory-frame.js';
import { realClock } from '../../pipeline/clock.js';
import type { Level } from '../../pipeline/levels.js';
import { Medians } from '../../pipeline/medians.js';
import type { CodecBackend, VideoEncoder } from '../codecs/codec.js';
import type { CodedAsk, CodedPlatform } from './coded-platform.js';

/** Frames that may wait for the encoder. */
const MOST_WAITING = 2;
const USUAL_RATE = 30;

/** Encodes frames, one after another; where the source's own pictures do, it says so instead. */
export class CodedSink implements Sink<MemoryFrame> {
  #encoder: { readonly encoder: VideoEncoder; readonly size: Size } | undefined;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #key = true;
  #forwarding = false;
  #bitrate: number;
  #closed = false;
  #timestampUs: number | undefined;
  readonly #intervals = new Medians(15);

  constructor(
    readonly codecs: CodecBackend,
    readonly sink: CodedPlatform['sink'],
    readonly on: SinkListener<CodedPlatform>,
  ) {
    this.#bitrate = sink.bitrate;
  }

  write({ planar }: MemoryFrame, made: Level): boolean {
    this.#forward(made === 'pass-through');
    this.#time(planar.timestampUs);
    if (this.#forwarding) return true;
    if (this.#waiting >= MOST_WAITING) return false;
    this.#waiting++;
    this.#last = this.#last.then(() => this.#encode(planar)).finally(() => this.#waiting--);
    return true;
  }

  ask(ask: CodedAsk): void {
    if (ask.type === 'keyframe') this.#key = true;
    if (ask.type === 'bitrate') {
      this.#bitrate = ask.bitrate;
      this.#last = this.#last.then(() => this.#encoder?.encoder.setBitrate(ask.bitrate));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    this.#encoder?.encoder.dispose();
    this.#encoder = undefined;
  }

  #forward(on: boolean): void {
    if (on === this.#forwarding) return;
    this.#forwarding = on;
    // A receiver that has seen other pictures meanwhile can go on with a keyframe only.
    this.#key = true;
    this.on.tell({ type: 'forward', on });
  }

  #time(timestampUs: number): void {
    const interval = timestampUs - (this.#timestampUs ?? timestampUs);
    this.#timestampUs = timestampUs;
    if (interval > 0) this.#intervals.add(interval);
  }

  /** Never rejects: what cannot be encoded is left out, and the next one begins anew. */
  async #encode(frame: PlanarFrame): Promise<void> {
    if (this.#closed || this.#forwarding) return;
    const start = realClock.now();
    const { width, height } = frame;
    const key = this.#key;
    this.#key = false;
    try {
      const encoder = await this.#encoderFor({ width, height });
      const picture = await encoder.encode(frame, key);
      if (!picture) {
        this.#key ||= key;
        return;
      }
      const { data } = picture;
      const whole = data.byteLength === data.buffer.byteLength;
      const owned = whole ? picture : { ...picture, data: Uint8Array.from(data) };
      this.on.tell({ type: 'picture', picture: owned }, [owned.data.buffer as ArrayBuffer]);
    } catch {
      this.#encoder?.encoder.dispose();
      this.#encoder = undefined;
      this.#key = true;
    } finally {
      this.on.spent(realClock.now() - start);
    }
  }

  async #encoderFor(size: Size): Promise<VideoEncoder> {
    if (this.#encoder && sameSize(this.#encoder.size, size)) return this.#encoder.encoder;
    this.#encoder?.encoder.dispose();
    this.#encoder = undefined;
    const frameRate = Math.round(Math.min(120, Math.max(1, 1e6 / (this.#intervals.median ?? 1e6 / USUAL_RATE))));
    const encoder = await this.codecs.createEncoder({
      codec: this.sink.codec,
      size,
      bitrate: this.#bitrate,
      frameRate,
    });
    this.#encoder = { encoder, size };
    return encoder;
  }
}
