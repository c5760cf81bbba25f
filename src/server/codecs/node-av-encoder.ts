import type { FFEncoderCodec } from 'node-av/constants';
import type { CodecContext, Packet } from 'node-av/lib';
import { checkFrame } from '../../frame/check.js';
import { UpscaleError } from '../../frame/errors.js';
import { type ColourMatrix, type PlanarFrame, type Size, sameSize, sizeText } from '../../frame/frame.js';
import { colourTags, UNSPECIFIED } from '../../node/av-colour.js';
import type { CodedPicture, EncoderSettings, VideoEncoder } from './codec.js';
import { EncoderClock, TICKS_PER_SECOND } from './encoder-clock.js';
import { type CodecChoices, checkBitrate, disposed } from './limits.js';
import type { NodeAv } from './node-av.js';
import { isRgb, NativePicture, Resampling } from './node-av-picture.js';

/** FFmpeg's encoders. */
export const encoderNames = { vp8: 'libvpx', h264: 'libx264' } as Readonly<
  Record<EncoderSettings['codec'], FFEncoderCodec>
>;

/** What the rate control may lend out: milliseconds of the bitrate. VP8's is libwebrtc's; with 600 x264 follows a new rate slowly. */
const BUFFER_MS = { vp8: 600, h264: 300 } as const;
/** libvpx is opened again, at the cost of a keyframe, where the rate is this many times more or less than it was opened for. */
const MOST_STRETCH = 4;
/** Frames from one keyframe to the next where nobody asks for one. */
const KEYFRAME_INTERVAL = 3000;

/**
 * libvpx or x264, for live pictures. Every frame in is a picture out, at once: rate control lowers the quality and leaves
 * nothing out.
 *
 * libvpx does not listen to a new bitrate. It does measure time by the frames' timestamps: with time stretched by the ratio
 * of the wanted rate to its own it spends what is wanted, and no keyframe is needed.
 */
export class NodeAvEncoder implements VideoEncoder {
  readonly #av: NodeAv;
  readonly #settings: EncoderSettings;
  readonly #choices: CodecChoices;
  /** H.264's sides are even: an odd column or row is left out. */
  readonly #size: Size;
  readonly #packet: Packet;
  #clock: EncoderClock;
  #context: CodecContext | undefined;
  #bitrate: number;
  #openedBitrate: number;
  /** H.264 says in its headers how colours are to be read: what the first frame has. VP8 cannot. */
  #matrix: ColourMatrix | undefined;
  #source: NativePicture | undefined;
  #picture: NativePicture | undefined;
  #resampling: { readonly flags: string; readonly context: Resampling } | undefined;
  #disposed = false;

  constructor(av: NodeAv, settings: EncoderSettings, choices: CodecChoices) {
    this.#av = av;
    this.#settings = settings;
    this.#choices = choices;
    this.#bitrate = this.#openedBitrate = settings.bitrate;
    this.#clock = new EncoderClock(settings.frameRate);
    const { width, height } = settings.size;
    this.#size = settings.codec === 'h264' ? { width: width & ~1, height: height & ~1 } : { width, height };
    if (settings.codec === 'vp8') this.#matrix = UNSPECIFIED.matrix;
    this.#packet = new av.lib.Packet();
    this.#packet.alloc();
  }

  setBitrate(bitrate: number): void {
    checkBitrate(bitrate, 'bitrate');
    this.#bitrate = bitrate;
  }

  async encode(frame: PlanarFrame, key: boolean): Promise<CodedPicture | undefined> {
    if (this.#disposed) throw disposed('encoder');
    checkFrame(frame);
    if (!sameSize(frame, this.#settings.size)) {
      throw new UpscaleError(
        'frame-unsupported',
        `A frame of ${sizeText(frame)} came to an encoder for ${sizeText(this.#settings.size)}.`,
      );
    }
    const picture = this.#prepare(frame);
    const context = this.#ready();
    const { constants: c } = this.#av;
    const { time, duration } = this.#clock.next(frame.timestampUs, this.#bitrate / this.#openedBitrate);
    picture.frame.pts = time;
    picture.frame.duration = duration;
    picture.frame.pictType = key ? c.AV_PICTURE_TYPE_I : c.AV_PICTURE_TYPE_NONE;
    this.#check(context.sendFrameSync(picture.frame), 'take a frame');
    const code = context.receivePacketSync(this.#packet);
    if (code === c.AVERROR_EAGAIN) return undefined;
    this.#check(code, 'encode a frame');
    const { data, isKeyframe } = this.#packet;
    // The packet's memory is FFmpeg's.
    const coded = new Uint8Array(data ?? []);
    this.#packet.unref();
    return { codec: this.#settings.codec, data: coded, key: isKeyframe, timestampUs: frame.timestampUs };
  }

  /** The frame as limited-range I420 with the encoder's matrix, in FFmpeg's memory. */
  #prepare(frame: PlanarFrame): NativePicture {
    const rgb = isRgb(frame.format);
    this.#matrix ??= rgb ? UNSPECIFIED.matrix : frame.colourSpace.matrix;
    const coded = { matrix: this.#matrix, fullRange: false };
    this.#picture = NativePicture.shaped(this.#picture, this.#av, 'I420', this.#size);
    this.#picture.tag(coded);
    const { matrix, fullRange } = frame.colourSpace;
    if (frame.format === 'I420' && matrix === coded.matrix && !fullRange) {
      this.#picture.put(frame);
      return this.#picture;
    }
    this.#source = NativePicture.shaped(this.#source, this.#av, frame.format, this.#size);
    this.#source.tag(frame.colourSpace);
    this.#source.put(frame);
    // The encoder may still hold the picture of the frame before.
    if (!this.#picture.frame.isWritable) this.#check(this.#picture.frame.makeWritable(), 'get memory');
    // Between two matrices swscale goes by way of R'G'B' and rounds twice: there the exact rounding is worth its time.
    this.#resample(rgb ? 'bilinear' : 'bilinear+accurate_rnd').run(this.#picture.frame, this.#source.frame);
    return this.#picture;
  }

  #resample(flags: string): Resampling {
    if (this.#resampling?.flags !== flags) {
      this.#resampling?.context.dispose();
      this.#resampling = { flags, context: new Resampling(this.#av, flags) };
    }
    return this.#resampling.context;
  }

  /** The encoder, open and told of the bitrate. */
  #ready(): CodecContext {
    const { codec } = this.#settings;
    const stretch = this.#bitrate / this.#openedBitrate;
    if (this.#context && codec === 'vp8' && (stretch > MOST_STRETCH || stretch < 1 / MOST_STRETCH)) {
      this.#context.freeContext();
      this.#context = undefined;
      this.#clock = new EncoderClock(this.#settings.frameRate);
    }
    if (!this.#context) {
      this.#context = this.#open();
      this.#openedBitrate = this.#bitrate;
    } else if (codec === 'h264' && stretch !== 1) {
      // x264 compares these with what it has before every frame.
      setRate(this.#context, this.#bitrate, BUFFER_MS.h264);
      this.#openedBitrate = this.#bitrate;
    }
    return this.#context;
  }

  #open(): CodecContext {
    const { lib, constants: c } = this.#av;
    const { codec, frameRate } = this.#settings;
    const context = new lib.CodecContext();
    const found = lib.Codec.findEncoderByName(encoderNames[codec]);
    context.allocContext3(found);
    context.width = this.#size.width;
    context.height = this.#size.height;
    context.pixelFormat = c.AV_PIX_FMT_YUV420P;
    context.timeBase = new lib.Rational(1, TICKS_PER_SECOND);
    context.framerate = new lib.Rational(Math.round(frameRate * 1000), 1000);
    context.threadCount = this.#choices.threads;
    context.gopSize = KEYFRAME_INTERVAL;
    context.maxBFrames = 0;
    context.colorRange = c.AVCOL_RANGE_MPEG;
    const { matrix, primaries, transfer } = colourTags(this.#av, this.#matrix ?? UNSPECIFIED.matrix);
    context.colorSpace = matrix;
    context.colorPrimaries = primaries;
    context.colorTrc = transfer;
    setRate(context, this.#bitrate, BUFFER_MS[codec]);
    for (const [name, value] of Object.entries(this.#options())) {
      if (context.setOption(name, value) < 0) {
        context.freeContext();
        throw new UpscaleError('backend-unavailable', `FFmpeg's encoder for ${codec} has no option ${name}.`);
      }
    }
    // The second argument must be null: a Dictionary is freed twice.
    const code = context.open2Sync(found, null);
    if (code >= 0) return context;
    context.freeContext();
    const why = new lib.FFmpegError(code).message;
    throw new UpscaleError('backend-unavailable', `FFmpeg's encoder for ${codec} does not open: ${why}.`);
  }

  #options(): Record<string, string> {
    const { codec, frameRate } = this.#settings;
    if (codec === 'h264') {
      return { preset: this.#choices.h264Preset, tune: 'zerolatency', profile: 'baseline', 'forced-idr': '1' };
    }
    const small = this.#size.width * this.#size.height <= 320 * 240;
    return {
      deadline: 'realtime',
      // Negative: this speed always, instead of what the time lets it. At 1280x720 8 is a tenth quicker than 6 and dips by
      // 6 dB after keyframes; at 320x180 4 looks 4 dB better than 8, at 1900 frames a second.
      'cpu-used': small ? '-4' : '-6',
      'lag-in-frames': '0',
      'auto-alt-ref': '0',
      // Costs 0 to 2 % of the bits and helps only those who show pictures with parts missing; WebRTC's viewers wait for
      // a keyframe instead.
      'error-resilient': '0',
      'undershoot-pct': '100',
      'overshoot-pct': '15',
      qmin: '2',
      qmax: '56',
      // A keyframe may take half of the buffer, in percent of a frame's share: libwebrtc's formula.
      'max-intra-rate': String(Math.max(300, Math.round((BUFFER_MS.vp8 * 0.5 * frameRate) / 10))),
      rc_init_occupancy: String(Math.round((this.#bitrate * BUFFER_MS.vp8) / 1000)),
    };
  }

  #check(code: number, what: string): void {
    if (code >= 0) return;
    const why = new this.#av.lib.FFmpegError(code).message;
    throw new UpscaleError('engine-failed', `FFmpeg's encoder could not ${what}: ${why}.`);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#context?.freeContext();
    this.#packet.free();
    this.#source?.dispose();
    this.#picture?.dispose();
    this.#resampling?.context.dispose();
    this.#context = this.#source = this.#picture = this.#resampling = undefined;
  }
}

/** A constant rate: the longest and the shortest are the same. */
function setRate(context: CodecContext, bitrate: number, bufferMs: number): void {
  const bits = BigInt(Math.round(bitrate));
  context.bitRate = bits;
  context.rcMaxRate = bits;
  context.rcMinRate = bits;
  context.rcBufferSize = Math.round((bitrate * bufferMs) / 1000);
}
