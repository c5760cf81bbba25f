import { UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { CodedPicture, EncoderSettings, VideoCodec } from './codec.js';

/** Choices for a backend. */
export interface CodecOptions {
  /** Threads for each encoder and decoder. Default 1: a server has many streams to spread over its cores. */
  readonly threads?: number;
  /** Pictures with more pixels are refused before memory is taken for them, where the library can. Default 4096 x 2304. */
  readonly maxPixels?: number;
  /** x264's preset. Default `ultrafast`; `superfast` takes about twice as long and is 3 dB better at 1280x720 and 2 Mbit/s. */
  readonly h264Preset?: 'ultrafast' | 'superfast' | 'veryfast';
}

/** {@link CodecOptions} with the defaults filled in. */
export type CodecChoices = Required<CodecOptions>;

/** Fills in the defaults. @throws TypeError for a value that cannot be used */
export function codecChoices(options: CodecOptions = {}): CodecChoices {
  const { threads = 1, maxPixels = 4096 * 2304, h264Preset = 'ultrafast' } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 64) {
    throw new TypeError('options.threads, when provided, must be a whole number from 1 to 64.');
  }
  if (!Number.isInteger(maxPixels) || maxPixels < 1) {
    throw new TypeError('options.maxPixels, when provided, must be a positive whole number.');
  }
  if (!['ultrafast', 'superfast', 'veryfast'].includes(h264Preset)) {
    throw new TypeError("options.h264Preset, when provided, must be 'ultrafast', 'superfast' or 'veryfast'.");
  }
  return { threads, maxPixels, h264Preset };
}

/** Checks a size that a caller asks for. @throws TypeError */
export function checkSize({ width, height }: Size, maxPixels: number, name: string): void {
  if (![width, height].every((side) => Number.isInteger(side) && side >= 2 && side <= 16383)) {
    throw new TypeError(`${name} must have whole numbers from 2 to 16383 as its width and height.`);
  }
  if (width * height > maxPixels) throw new TypeError(`${name} must not have more than ${maxPixels} pixels.`);
}

/** Checks a bitrate. @throws TypeError */
export function checkBitrate(bitrate: number, name: string): void {
  if (!Number.isFinite(bitrate) || bitrate < 1000 || bitrate > 1e9) {
    throw new TypeError(`${name} must be a number of bits a second from 1000 to 1000000000.`);
  }
}

/** Checks an encoder's settings. @throws TypeError */
export function checkSettings({ size, bitrate, frameRate }: EncoderSettings, maxPixels: number): void {
  checkSize(size, maxPixels, 'settings.size');
  checkBitrate(bitrate, 'settings.bitrate');
  if (!Number.isFinite(frameRate) || frameRate < 1 || frameRate > 240) {
    throw new TypeError('settings.frameRate must be a number from 1 to 240.');
  }
}

/** Says that a picture cannot be decoded. */
export function undecodable(why: string, cause?: unknown): UpscaleError {
  return new UpscaleError('frame-unsupported', `A picture cannot be decoded: ${why}.`, { cause });
}

/** What is thrown by what was disposed of. */
export function disposed(what: string): UpscaleError {
  return new UpscaleError('backend-unavailable', `This ${what} has been disposed of.`, { recoverable: false });
}

/** Lets those pictures to a decoder that it can do something with: a keyframe first, and again after each failure. */
export class PictureGate {
  #open = false;

  constructor(
    readonly codec: VideoCodec,
    readonly maxPixels: number,
  ) {}

  /** @throws UpscaleError `frame-unsupported` when the picture must not be decoded */
  admit({ codec, data, key, timestampUs }: CodedPicture): void {
    if (codec !== this.codec) throw undecodable(`it is ${codec}, this decoder is for ${this.codec}`);
    if (!(data instanceof Uint8Array) || data.length === 0) throw undecodable('it has no data');
    if (data.length > 4 * this.maxPixels) throw undecodable(`${data.length} bytes are too many`);
    if (!Number.isFinite(timestampUs)) throw undecodable('its timestampUs is not a number');
    if (!key && !this.#open) throw undecodable('a keyframe must come first');
    this.#open = true;
  }

  /** A picture could not be decoded: those that follow need a keyframe. */
  close(): void {
    this.#open = false;
  }
}
