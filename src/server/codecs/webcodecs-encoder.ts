import type { EncodedVideoChunk, VideoEncoder as NativeEncoder } from '@napi-rs/webcodecs';
import { checkFrame } from '../../frame/check.js';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import { type ColourSpace, type PlanarFrame, type Size, sameSize, sizeText } from '../../frame/frame.js';
import { cornerOf } from '../../frame/planes.js';
import type { CodedPicture, EncoderSettings, VideoEncoder } from './codec.js';
import { EncoderClock, TICKS_PER_SECOND } from './encoder-clock.js';
import { checkBitrate, disposed } from './limits.js';
import { Outputs } from './outputs.js';
import { toI420 } from './to-i420.js';
import type { WebCodecs } from './webcodecs.js';

/** Codecs as WebCodecs names them. */
export const encoderCodecs: Readonly<Record<EncoderSettings['codec'], string>> = { vp8: 'vp8', h264: 'avc1.42E034' };

/** How browsers show pictures of a call that do not say how. The package writes no colours into what it encodes. */
export const WEBRTC_COLOURS: ColourSpace = { matrix: 'smpte170m', fullRange: false };

/** An encoder of `@napi-rs/webcodecs`. */
export class WebCodecsEncoder implements VideoEncoder {
  readonly #webCodecs: WebCodecs;
  readonly #settings: EncoderSettings;
  readonly #size: Size;
  #opened:
    | { readonly native: NativeEncoder; readonly outputs: Outputs<EncodedVideoChunk>; readonly bitrate: number }
    | undefined;
  readonly #clock: EncoderClock;
  #bitrate: number;
  #disposed = false;

  constructor(webCodecs: WebCodecs, settings: EncoderSettings) {
    this.#webCodecs = webCodecs;
    this.#settings = settings;
    this.#bitrate = settings.bitrate;
    this.#clock = new EncoderClock(settings.frameRate);
    const { width, height } = settings.size;
    this.#size = { width: width & ~1, height: height & ~1 };
  }

  setBitrate(bitrate: number): void {
    checkBitrate(bitrate, 'bitrate');
    this.#bitrate = bitrate;
  }

  async encode(frame: PlanarFrame, key: boolean): Promise<CodedPicture | undefined> {
    if (this.#disposed) throw disposed('encoder');
    checkFrame(frame);
    const { codec, size } = this.#settings;
    if (!sameSize(frame, size)) {
      const what = `A frame of ${sizeText(frame)} came to an encoder for ${sizeText(size)}.`;
      throw new UpscaleError('frame-unsupported', what);
    }
    const { data, width, height } = toI420(cornerOf(frame, this.#size), WEBRTC_COLOURS);
    const { time, duration } = this.#clock.next(frame.timestampUs, 1);
    const toUs = (ticks: bigint): number => Math.round((Number(ticks) * 1e6) / TICKS_PER_SECOND);
    try {
      const { native: encoder, outputs } = this.#ready();
      const native = new this.#webCodecs.VideoFrame(data, {
        format: 'I420',
        codedWidth: width,
        codedHeight: height,
        timestamp: toUs(time),
        duration: toUs(duration),
        colorSpace: WEBRTC_COLOURS,
      });
      outputs.begin();
      encoder.encode(native, { keyFrame: key });
      native.close();
      const [chunk] = await outputs.collect();
      if (!chunk) return undefined;
      const coded = new Uint8Array(chunk.byteLength);
      chunk.copyTo(coded);
      return { codec, data: coded, key: chunk.type === 'key', timestampUs: frame.timestampUs };
    } catch (thrown) {
      throw new UpscaleError('engine-failed', `A frame cannot be encoded: ${reasonOf(thrown)}`, { cause: thrown });
    }
  }

  /** An encoder for the bitrate. One that is configured again holds back H.264 pictures: it gets a successor instead. */
  #ready() {
    const bitrate = this.#bitrate;
    if (this.#opened?.bitrate === bitrate) return this.#opened;
    this.#close();
    const outputs = new Outputs<EncodedVideoChunk>();
    const native = new this.#webCodecs.VideoEncoder({
      output: (chunk) => outputs.output(chunk),
      error: outputs.error,
    });
    native.ondequeue = outputs.dequeue;
    native.configure({
      codec: encoderCodecs[this.#settings.codec],
      ...this.#size,
      bitrate,
      framerate: this.#settings.frameRate,
      latencyMode: 'realtime',
      bitrateMode: 'constant',
      ...(this.#settings.codec === 'h264' ? { avc: { format: 'annexb' } } : {}),
    });
    this.#opened = { native, outputs, bitrate };
    return this.#opened;
  }

  #close(): void {
    if (this.#opened && this.#opened.native.state !== 'closed') this.#opened.native.close();
    this.#opened = undefined;
  }

  dispose(): void {
    this.#disposed = true;
    this.#close();
  }
}
