import type { FormatContext, Packet, Stream } from 'node-av/lib';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { succeed } from './ffmpeg.js';
import { FileError } from './file-error.js';
import type { Input } from './input.js';
import type { Parts, Segment } from './parts.js';
import { addCopy, describeLike, keptMetadata, type StreamPlan } from './streams.js';

/** The part of the input that is wanted, in microseconds of its own clock. */
export interface Span {
  readonly fromUs: number | undefined;
  readonly toUs: number | undefined;
}

/** What the output is put together from. */
export interface MuxOptions {
  readonly parts: Parts;
  readonly plan: StreamPlan;
  readonly container: string;
  /** Where the output is written; not yet under its own name. */
  readonly path: string;
  readonly span: Span;
  readonly signal?: AbortSignal;
}

/** Puts the output together: its video from the segments, all else from the input, packet by packet. @throws FileError */
export async function muxOutput(input: Input, options: MuxOptions): Promise<void> {
  const { av } = input;
  const { lib } = av;
  const { parts, plan, container, path } = options;
  const muxer = new lib.FormatContext();
  const failed = `${path} cannot be written`;
  const video = new SegmentReader(av, parts);
  try {
    succeed(av, muxer.allocOutputContext2(null, container, path), 'unwritable', failed);
    muxer.metadata = keptMetadata(av, input.context.metadata);
    const streams = new Map<number, Stream>();
    for (const source of input.context.streams) {
      if (source.index === input.video.index) streams.set(source.index, await addVideo(input, muxer, video));
      else if (plan.copied.includes(source.index)) streams.set(source.index, addCopy(av, muxer, source));
    }
    succeed(av, await muxer.openOutput(), 'unwritable', failed);
    succeed(av, await muxer.writeHeader(null), 'unwritable', failed);
    const writer = new PacketWriter(av, muxer, failed);
    await interleave(input, options, streams, video, writer);
    succeed(av, await muxer.writeTrailer(), 'unwritable', failed);
  } finally {
    await video.close();
    await muxer.closeOutput();
    muxer.freeContext();
  }
}

/** The video stream, with the segments' codec and everything else of the input's. */
async function addVideo({ av, video: source }: Input, muxer: FormatContext, video: SegmentReader): Promise<Stream> {
  const { constants: c } = av;
  const stream = muxer.newStream();
  const like = await video.first();
  like.codecpar.copy(stream.codecpar);
  stream.codecpar.codecTag = 0;
  for (const type of [c.AV_PKT_DATA_DISPLAYMATRIX, c.AV_PKT_DATA_STEREO3D, c.AV_PKT_DATA_SPHERICAL]) {
    const data = source.codecpar.getCodedSideData(type);
    if (data) stream.codecpar.addCodedSideData(type, data);
  }
  stream.timeBase = source.timeBase;
  stream.avgFrameRate = source.avgFrameRate;
  stream.sampleAspectRatio = stream.codecpar.sampleAspectRatio;
  describeLike(av, stream, source);
  return stream;
}

/** Writes packets of all streams in the order of their times. */
async function interleave(
  input: Input,
  { span, signal }: MuxOptions,
  streams: ReadonlyMap<number, Stream>,
  video: SegmentReader,
  writer: PacketWriter,
): Promise<void> {
  const { av, context, video: main } = input;
  const { lib, constants: c } = av;
  const { fromUs, toUs } = span;
  const out = streams.get(main.index);
  if (!out) return;
  main.discard = c.AVDISCARD_ALL;
  const us = { num: 1, den: 1_000_000 };
  const shiftUs = BigInt(Math.round(fromUs ?? 0));
  /** Video up to a time of the input, in microseconds. */
  const writeVideo = async (upToUs: number): Promise<void> => {
    for (let next = await video.peek(); next; next = await video.peek()) {
      if (next.dtsUs(main.timeBase) > upToUs) return;
      await writer.write(
        await video.take(main.timeBase),
        main.timeBase,
        out,
        lib.avRescaleQ(-shiftUs, us, main.timeBase),
      );
      if (signal?.aborted) throw interrupted();
    }
  };
  // What is broken was counted when the pictures were decoded.
  for await (const packet of input.packets(() => undefined)) {
    if (signal?.aborted) throw interrupted();
    const stream = packet.streamIndex === main.index ? undefined : streams.get(packet.streamIndex);
    const source = context.streams[packet.streamIndex];
    if (!stream || !source) continue;
    if (source.hasDisposition(c.AV_DISPOSITION_ATTACHED_PIC)) {
      // A cover has no place in time; a part's output would begin before 0 with it.
      await writer.write(packet, source.timeBase, stream, 0n);
      continue;
    }
    const at = packet.dts === c.AV_NOPTS_VALUE ? packet.pts : packet.dts;
    const atUs = at === c.AV_NOPTS_VALUE ? Number.NEGATIVE_INFINITY : Number(lib.avRescaleQ(at, source.timeBase, us));
    const within = (fromUs === undefined || atUs >= fromUs) && (toUs === undefined || atUs < toUs);
    if (!within) continue;
    await writeVideo(atUs);
    await writer.write(packet, source.timeBase, stream, lib.avRescaleQ(-shiftUs, us, source.timeBase));
  }
  await writeVideo(Number.POSITIVE_INFINITY);
}

function interrupted(): FileError {
  return new FileError('interrupted', 'Ended while the output was put together.');
}

/** Writes packets with times that rise in each stream; those of subtitles and data may be equal. */
class PacketWriter {
  readonly #last = new Map<number, bigint>();

  constructor(
    readonly av: NodeAv,
    readonly muxer: FormatContext,
    readonly failed: string,
  ) {}

  async write(
    packet: Packet,
    timeBase: { readonly num: number; readonly den: number },
    stream: Stream,
    shift: bigint,
  ): Promise<void> {
    const { AV_NOPTS_VALUE, AVMEDIA_TYPE_SUBTITLE, AVMEDIA_TYPE_DATA } = this.av.constants;
    const { codecType } = stream.codecpar;
    const step = codecType === AVMEDIA_TYPE_SUBTITLE || codecType === AVMEDIA_TYPE_DATA ? 0n : 1n;
    if (packet.pts !== AV_NOPTS_VALUE) packet.pts += shift;
    if (packet.dts !== AV_NOPTS_VALUE) packet.dts += shift;
    packet.streamIndex = stream.index;
    packet.rescaleTs(timeBase, stream.timeBase);
    packet.pos = -1n;
    if (packet.pts === AV_NOPTS_VALUE) packet.pts = packet.dts;
    if (packet.dts === AV_NOPTS_VALUE) packet.dts = packet.pts;
    const last = this.#last.get(stream.index);
    if (packet.dts === AV_NOPTS_VALUE) packet.pts = packet.dts = last === undefined ? 0n : last + step;
    if (last !== undefined && packet.dts < last + step) packet.dts = last + step;
    if (packet.pts < packet.dts) packet.pts = packet.dts;
    this.#last.set(stream.index, packet.dts);
    succeed(this.av, await this.muxer.interleavedWriteFrame(packet), 'unwritable', this.failed);
  }
}

interface OpenSegment {
  readonly context: FormatContext;
  readonly stream: Stream;
  readonly segment: Segment;
}

/** The segments' packets, one after another, with the times of the whole. */
class SegmentReader {
  #next = 0;
  #open: OpenSegment | undefined;
  readonly #packet: Packet;
  #full = false;

  constructor(
    readonly av: NodeAv,
    readonly parts: Parts,
  ) {
    this.#packet = new av.lib.Packet();
    this.#packet.alloc();
  }

  /** The first segment's stream. */
  async first(): Promise<Stream> {
    const open = this.#open ?? (await this.#advance());
    if (!open) throw new FileError('unreadable', 'There is no picture to write.');
    return open.stream;
  }

  /** The next packet's time; `undefined` after the last one. */
  async peek(): Promise<{ dtsUs(timeBase: { num: number; den: number }): number } | undefined> {
    while (!this.#full) {
      const open = this.#open ?? (await this.#advance());
      if (!open) return undefined;
      const code = await open.context.readFrame(this.#packet);
      if (code >= 0) this.#full = true;
      else {
        await open.context.closeInput();
        this.#open = undefined;
        if (code !== this.av.constants.AVERROR_EOF) {
          throw new FileError('unreadable', `${open.segment.file} of ${this.parts.folder} cannot be read.`);
        }
      }
    }
    const { lib } = this.av;
    const { stream, segment } = this.#open as OpenSegment;
    const start = BigInt(segment.startPts);
    const us = { num: 1, den: 1_000_000 };
    return {
      dtsUs: (timeBase) =>
        Number(lib.avRescaleQ(this.#packet.dts, stream.timeBase, us)) + Number(lib.avRescaleQ(start, timeBase, us)),
    };
  }

  /** The packet that was looked at, in the source's time base. It is FFmpeg's again after the next look. */
  async take(timeBase: { num: number; den: number }): Promise<Packet> {
    const open = this.#open as OpenSegment;
    const packet = this.#packet;
    packet.rescaleTs(open.stream.timeBase, timeBase);
    const start = BigInt(open.segment.startPts);
    packet.pts += start;
    packet.dts += start;
    this.#full = false;
    return packet;
  }

  async close(): Promise<void> {
    await this.#open?.context.closeInput();
    this.#open = undefined;
    this.#packet.free();
  }

  async #advance(): Promise<OpenSegment | undefined> {
    const segment = this.parts.segments[this.#next++];
    if (!segment) return undefined;
    const context = new this.av.lib.FormatContext();
    const path = this.parts.path(segment.file);
    succeed(this.av, await context.openInput(`file:${path}`), 'unreadable', `${path} cannot be read`);
    try {
      succeed(this.av, await context.findStreamInfo(), 'unreadable', `${path} cannot be read`);
      const [stream] = context.streams;
      if (!stream) throw new FileError('unreadable', `${path} holds no video.`);
      this.#open = { context, stream, segment };
      return this.#open;
    } catch (thrown) {
      await context.closeInput();
      throw thrown;
    }
  }
}
