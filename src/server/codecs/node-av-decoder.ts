import type { AVPixelFormat, FFDecoderCodec } from 'node-av/constants';
import type { CodecContext, Frame, Packet } from 'node-av/lib';
import { UpscaleError } from '../../frame/errors.js';
import type { ColourSpace, PlanarFrame } from '../../frame/frame.js';
import { matrixOf, UNSPECIFIED } from '../../node/av-colour.js';
import type { CodedPicture, VideoCodec, VideoDecoder } from './codec.js';
import { type CodecChoices, disposed, PictureGate, undecodable } from './limits.js';
import type { NodeAv } from './node-av.js';
import { NativePicture, Resampling, takeI420 } from './node-av-picture.js';

/** FFmpeg's decoders: its own where it has one, dav1d for AV1. */
export const decoderNames = { vp8: 'vp8', h264: 'h264', vp9: 'vp9', av1: 'libdav1d' } as Readonly<
  Record<VideoCodec, FFDecoderCodec>
>;

/** Timestamps of pictures that have not come out are kept for this many pictures. */
const MOST_TIMESTAMPS = 64;

/** A decoder of FFmpeg's, without delay. */
export class NodeAvDecoder implements VideoDecoder {
  readonly #av: NodeAv;
  readonly #choices: CodecChoices;
  #context: CodecContext | undefined;
  readonly #packet: Packet;
  readonly #frame: Frame;
  readonly #gate: PictureGate;
  /** Timestamps by the number that travels through FFmpeg, which has room for whole numbers only. */
  readonly #timestamps = new Map<bigint, number>();
  #count = 0n;
  #converted: NativePicture | undefined;
  #resampling: Resampling | undefined;
  #disposed = false;

  constructor(
    av: NodeAv,
    readonly codec: VideoCodec,
    choices: CodecChoices,
  ) {
    this.#av = av;
    this.#choices = choices;
    this.#gate = new PictureGate(codec, choices.maxPixels);
    this.#context = this.#open();
    this.#packet = new av.lib.Packet();
    this.#packet.alloc();
    this.#frame = new av.lib.Frame();
    this.#frame.alloc();
  }

  #open(): CodecContext {
    const { lib, constants: c } = this.#av;
    const found = lib.Codec.findDecoderByName(decoderNames[this.codec]);
    const context = new lib.CodecContext();
    context.allocContext3(found);
    context.threadCount = this.#choices.threads;
    // Threads for frames would hold back a frame each.
    context.threadType = c.FF_THREAD_SLICE;
    context.setFlags(c.AV_CODEC_FLAG_LOW_DELAY, c.AV_CODEC_FLAG_UNALIGNED);
    context.setOption('max_pixels', String(this.#choices.maxPixels));
    // The second argument must be null: a Dictionary is freed twice.
    const code = context.open2Sync(found, null);
    if (code >= 0) return context;
    context.freeContext();
    throw new UpscaleError('backend-unavailable', `FFmpeg's decoder for ${this.codec} does not open (${code}).`);
  }

  async decode(picture: CodedPicture): Promise<PlanarFrame[]> {
    if (this.#disposed) throw disposed('decoder');
    try {
      this.#gate.admit(picture);
      this.#context ??= this.#open();
      // A stream that says nothing of its colours would have those of the stream before it.
      if (picture.key) forgetColours(this.#av, this.#context);
      this.#send(this.#context, picture);
      return this.#receive(this.#context);
    } catch (thrown) {
      this.#gate.close();
      this.#timestamps.clear();
      this.#frame.unref();
      // Flushing is not enough: FFmpeg's VP9 refuses everything after some errors.
      this.#context?.freeContext();
      this.#context = undefined;
      throw thrown;
    }
  }

  #send(context: CodecContext, { data, timestampUs }: CodedPicture): void {
    const packet = this.#packet;
    const number = this.#count++;
    this.#timestamps.set(number, timestampUs);
    this.#timestamps.delete(number - BigInt(MOST_TIMESTAMPS));
    // The packet takes a copy, with the padding that FFmpeg's readers need.
    packet.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    packet.pts = number;
    packet.dts = number;
    const code = context.sendPacketSync(packet);
    packet.unref();
    if (code < 0) throw this.#failed(code);
  }

  #receive(context: CodecContext): PlanarFrame[] {
    const { constants: c } = this.#av;
    const frames: PlanarFrame[] = [];
    for (;;) {
      const code = context.receiveFrameSync(this.#frame);
      if (code === c.AVERROR_EAGAIN) return frames;
      if (code < 0) throw this.#failed(code);
      frames.push(this.#take());
      this.#frame.unref();
    }
  }

  #take(): PlanarFrame {
    const frame = this.#frame;
    const { constants: c } = this.#av;
    if (frame.flags & c.AV_FRAME_FLAG_CORRUPT || frame.decodeErrorFlags !== 0) throw undecodable('it is damaged');
    const timestampUs = this.#timestamps.get(frame.pts);
    this.#timestamps.delete(frame.pts);
    // A few bytes could show a frame again and again. One picture in is one frame out, sooner or later.
    if (timestampUs === undefined) throw undecodable('it shows more than one frame');
    const format = frame.format as AVPixelFormat;
    const fullRange = frame.colorRange === c.AVCOL_RANGE_JPEG;
    const matrix = matrixOf(this.#av, frame.colorSpace);
    // FFmpeg takes VP8's clamping type for the range. Browsers do not.
    const colourSpace = this.codec === 'vp8' ? UNSPECIFIED : { matrix: matrix ?? UNSPECIFIED.matrix, fullRange };
    if (format === c.AV_PIX_FMT_YUV420P || format === c.AV_PIX_FMT_YUVJ420P) {
      return takeI420(frame, colourSpace, timestampUs);
    }
    return this.#convert(colourSpace, timestampUs);
  }

  /** More bits, or another subsampling: what browsers hardly send, and a sender may. */
  #convert(colourSpace: ColourSpace, timestampUs: number): PlanarFrame {
    const { constants: c } = this.#av;
    const rgb = this.#frame.colorSpace === c.AVCOL_SPC_RGB;
    const target = NativePicture.shaped(this.#converted, this.#av, 'I420', this.#frame);
    this.#converted = target;
    const told = rgb ? UNSPECIFIED : colourSpace;
    target.tag(told);
    if (!rgb && matrixOf(this.#av, this.#frame.colorSpace) === undefined) {
      this.#frame.colorSpace = target.frame.colorSpace;
    }
    // Primaries and transfer stay as they are: only the samples' form changes.
    target.frame.colorPrimaries = this.#frame.colorPrimaries;
    target.frame.colorTrc = this.#frame.colorTrc;
    this.#resampling ??= new Resampling(this.#av, 'bilinear+accurate_rnd');
    this.#resampling.run(target.frame, this.#frame);
    return takeI420(target.frame, told, timestampUs);
  }

  #failed(code: number): UpscaleError {
    return undecodable(`FFmpeg says: ${new this.#av.lib.FFmpegError(code).message}`);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#context?.freeContext();
    this.#packet.free();
    this.#frame.free();
    this.#converted?.dispose();
    this.#resampling?.dispose();
  }
}

function forgetColours({ constants: c }: NodeAv, context: CodecContext): void {
  context.colorSpace = c.AVCOL_SPC_UNSPECIFIED;
  context.colorRange = c.AVCOL_RANGE_UNSPECIFIED;
  context.colorPrimaries = c.AVCOL_PRI_UNSPECIFIED;
  context.colorTrc = c.AVCOL_TRC_UNSPECIFIED;
}
