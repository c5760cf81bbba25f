import type { CodecContext, FormatContext, Frame, Packet, Stream } from 'node-av/lib';
import type { PlanarFrame, Size } from '../../frame/frame.js';
import { sameSize } from '../../frame/frame.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { colourTags } from '../av-colour.js';
import { type EncodedShape, type EncodingChoices, openEncoder, openRaw } from './encoding.js';
import { succeed } from './ffmpeg.js';
import { fillRgb32, fitted } from './fitted.js';
import { nativeFrame, Resampling } from './resampling.js';
import type { UpscaledPicture } from './steady-network.js';

/** What a {@link VideoWriter} writes. */
export interface VideoWriterOptions {
  /** A path, or `pipe:1`. */
  readonly url: string;
  /** FFmpeg's name of the container. */
  readonly format: 'mp4' | 'yuv4mpegpipe';
  readonly shape: EncodedShape;
  /** `null`: pictures stay as they are. */
  readonly encoding: EncodingChoices | null;
  /** Time of the first picture of the file, which counts as 0. `null`: pictures are counted, at one rate. */
  readonly startPts: bigint | null;
}

/** One file of video and nothing else, written picture by picture. */
export class VideoWriter {
  #frames = 0;
  #freed = false;

  private constructor(
    readonly av: NodeAv,
    readonly options: VideoWriterOptions,
    readonly converter: PictureConverter,
    readonly encoder: CodecContext,
    readonly muxer: FormatContext,
    readonly stream: Stream,
    readonly packet: Packet,
  ) {}

  /** Opens encoder and file. @throws FileError */
  static async open(av: NodeAv, converter: PictureConverter, options: VideoWriterOptions): Promise<VideoWriter> {
    const { lib } = av;
    const { url, format, shape, encoding } = options;
    const encoder = encoding ? openEncoder(av, shape, encoding) : openRaw(av, shape);
    const muxer = new lib.FormatContext();
    try {
      succeed(av, muxer.allocOutputContext2(null, format, url), 'unwritable', `${url} cannot be written`);
      const stream = muxer.newStream();
      succeed(av, stream.codecpar.fromContext(encoder), 'unwritable', `${url} cannot be written`);
      stream.timeBase = encoder.timeBase;
      stream.avgFrameRate = new lib.Rational(shape.frameRate.num, Math.max(1, shape.frameRate.den));
      stream.sampleAspectRatio = encoder.sampleAspectRatio;
      succeed(av, await muxer.openOutput(), 'unwritable', `${url} cannot be written`);
      succeed(av, await muxer.writeHeader(null), 'unwritable', `${url} cannot be written`);
      const packet = new lib.Packet();
      packet.alloc();
      return new VideoWriter(av, options, converter, encoder, muxer, stream, packet);
    } catch (thrown) {
      encoder.freeContext();
      await muxer.closeOutput();
      muxer.freeContext();
      throw thrown;
    }
  }

  /** Pictures taken so far. */
  get frames(): number {
    return this.#frames;
  }

  async write({ planar, source }: UpscaledPicture): Promise<void> {
    const picture = await this.converter.convert(planar, this.options.shape);
    try {
      const { startPts } = this.options;
      picture.pts = startPts === null ? BigInt(this.#frames) : source.pts - startPts;
      picture.duration = startPts === null ? 1n : source.duration;
      await this.#send(picture);
      this.#frames++;
    } finally {
      picture.free();
    }
  }

  /** Writes what the encoder holds back, and the file's end. @throws FileError */
  async finish(): Promise<void> {
    await this.#send(null);
    succeed(this.av, await this.muxer.writeTrailer(), 'unwritable', `${this.options.url} cannot be written to its end`);
    await this.#free();
  }

  /** Leaves the file as it is. */
  async abandon(): Promise<void> {
    await this.#free();
  }

  async #send(frame: Frame | null): Promise<void> {
    const { av, encoder, packet, stream, muxer } = this;
    const { url } = this.options;
    succeed(av, await encoder.sendFrame(frame), 'unwritable', `A picture of ${url} cannot be encoded`);
    for (;;) {
      const code = await encoder.receivePacket(packet);
      if (code === av.constants.AVERROR_EOF || code === av.constants.AVERROR_EAGAIN) return;
      succeed(av, code, 'unwritable', `A picture of ${url} cannot be encoded`);
      packet.streamIndex = stream.index;
      packet.rescaleTs(encoder.timeBase, stream.timeBase);
      succeed(av, await muxer.writeFrame(packet), 'unwritable', `${url} cannot be written`);
      packet.unref();
    }
  }

  async #free(): Promise<void> {
    if (this.#freed) return;
    this.#freed = true;
    this.encoder.freeContext();
    this.packet.free();
    await this.muxer.closeOutput();
    this.muxer.freeContext();
  }
}

/** Makes pictures of 4-byte pixels what encoders take: yuv420p in FFmpeg's memory, off this thread. */
export class PictureConverter {
  readonly #resampling: Resampling;
  /** For pictures of another size than the first one's. */
  #fitting: Resampling | undefined;

  constructor(readonly av: NodeAv) {
    this.#resampling = new Resampling(av, 'area+accurate_rnd+full_chroma_inp');
  }

  /** The caller frees it. A picture of another size is fitted into the output's. */
  async convert(planar: PlanarFrame, shape: EncodedShape): Promise<Frame> {
    const { av } = this;
    const { constants: c } = av;
    const whole = sameSize(planar, shape) ? planar : await this.#fit(planar, shape);
    const source = nativeFrame(av, c.AV_PIX_FMT_RGB0, shape);
    const target = nativeFrame(av, c.AV_PIX_FMT_YUV420P, shape);
    try {
      fillRgb32(source.data?.[0], source.linesize[0], whole.data, whole);
      source.colorSpace = c.AVCOL_SPC_RGB;
      source.colorRange = c.AVCOL_RANGE_JPEG;
      target.colorSpace = colourTags(av, shape.samples.matrix).matrix;
      target.colorRange = shape.samples.fullRange ? c.AVCOL_RANGE_JPEG : c.AVCOL_RANGE_MPEG;
      await this.#resampling.run(target, source);
      target.colorSpace = shape.tags.matrix;
      target.colorRange = shape.tags.range;
      target.colorPrimaries = shape.tags.primaries;
      target.colorTrc = shape.tags.transfer;
      return target;
    } catch (thrown) {
      target.free();
      throw thrown;
    } finally {
      source.free();
    }
  }

  dispose(): void {
    this.#resampling.dispose();
    this.#fitting?.dispose();
  }

  #fit(planar: PlanarFrame, size: Size): Promise<PlanarFrame> {
    this.#fitting ??= new Resampling(this.av, 'bicubic+accurate_rnd');
    return fitted(this.av, this.#fitting, planar, size);
  }
}
