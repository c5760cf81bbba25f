import { statSync } from 'node:fs';
import type { FormatContext, Packet, Stream } from 'node-av/lib';
import { reasonOf } from '../../frame/errors.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { saysOf } from './ffmpeg.js';
import { FileError } from './file-error.js';
import { StandardInput } from './standard-input.js';

/** Standard input, as an input's name. */
export const STDIN = '-';
/** Errors in a row after which nothing good is expected of a file any more. */
const MOST_ERRORS = 200;
/** Streams of a file that are looked at; no container in use has more. */
const MOST_STREAMS = 1000;

/** What a file must be for a run to go on with it: its size in bytes, and when it was written. */
export interface FileIdentity {
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** A file of FFmpeg's that is open for reading, and its video. */
export class Input {
  private constructor(
    readonly av: NodeAv,
    readonly path: string,
    readonly context: FormatContext,
    readonly video: Stream,
    /** Of a file; `undefined` for standard input, which cannot be read twice. */
    readonly identity: FileIdentity | undefined,
    readonly standardInput: StandardInput | undefined,
  ) {}

  /**
   * Opens a file and finds its video.
   * @param path of a file, or `-` for standard input
   * @param signal ends the reading of standard input
   * @throws FileError with a sentence that says what is wrong with it
   */
  static async open(av: NodeAv, path: string, signal?: AbortSignal): Promise<Input> {
    const { lib, constants: c } = av;
    const identity = path === STDIN ? undefined : identify(path);
    const context = new lib.FormatContext();
    context.allocContext();
    context.maxStreams = MOST_STREAMS;
    const standardInput = path === STDIN ? new StandardInput(av, process.stdin) : undefined;
    if (standardInput) {
      context.pb = standardInput.io;
      context.setFlags(c.AVFMT_FLAG_CUSTOM_IO);
    }
    const stop = (): void => standardInput?.close();
    if (standardInput) signal?.addEventListener('abort', stop);
    // `file:` keeps FFmpeg from taking a name with a colon for a protocol.
    const code = await context.openInput(standardInput ? '' : `file:${path}`);
    if (code < 0) {
      stop();
      if (signal?.aborted) throw new FileError('interrupted', 'Ended before the file was opened.');
      throw new FileError('unreadable', `${nameOf(path)} cannot be read as video: ${saysOf(av, code)}.`);
    }
    try {
      const found = await context.findStreamInfo();
      if (found < 0) throw new FileError('unreadable', `${nameOf(path)} cannot be read: ${saysOf(av, found)}.`);
      const video = mainVideo(av, context.streams);
      if (!video) throw new FileError('unreadable', `${nameOf(path)} holds no video.`);
      for (const stream of context.streams) {
        if (stream.codecpar.codecType === c.AVMEDIA_TYPE_ATTACHMENT) stream.discard = c.AVDISCARD_ALL;
      }
      return new Input(av, path, context, video, identity, standardInput);
    } catch (thrown) {
      stop();
      await context.closeInput();
      throw thrown;
    }
  }

  /** How long the file says that it is, in microseconds; `undefined` where it does not. */
  get durationUs(): number | undefined {
    const { duration } = this.context;
    return duration > 0n ? Number(duration) : undefined;
  }

  /** Frames, as far as the file tells; `undefined` where it does not. */
  get frames(): number | undefined {
    const { nbFrames, avgFrameRate } = this.video;
    if (nbFrames > 0n) return Number(nbFrames);
    const us = this.durationUs;
    return us !== undefined && avgFrameRate.num > 0 && avgFrameRate.den > 0
      ? Math.round((us * avgFrameRate.num) / avgFrameRate.den / 1e6)
      : undefined;
  }

  /** When the file begins by its own clock, in microseconds. */
  get startUs(): number {
    const { startTime } = this.context;
    return startTime === this.av.constants.AV_NOPTS_VALUE ? 0 : Number(startTime);
  }

  /** Goes back to the file's first packet. */
  async rewind(): Promise<void> {
    // Long before it: at a picture's own time some containers lead to the packet after it.
    for (const us of [this.startUs - 10e6, this.startUs]) if (await this.seek(us)) return;
    if ((await this.context.seekFrame(-1, 0n, this.av.constants.AVSEEK_FLAG_BYTE)) >= 0) return;
    throw new FileError('unreadable', `${nameOf(this.path)} cannot be read from its beginning again.`);
  }

  /** Goes to a place near a time, as the container has it. @returns whether that could be done */
  async seek(us: number): Promise<boolean> {
    const { num, den } = this.video.timeBase;
    const time = BigInt(Math.floor((us * den) / num / 1e6));
    return (await this.context.seekFrame(this.video.index, time, this.av.constants.AVSEEK_FLAG_BACKWARD)) >= 0;
  }

  /**
   * The packets of all streams that are not discarded, from where the file is read, each until the next is asked for.
   * What cannot be read is gone past.
   * @param broken called for it
   */
  async *packets(broken: () => void): AsyncGenerator<Packet> {
    const packet = new this.av.lib.Packet();
    packet.alloc();
    try {
      for (let errors = 0; errors < MOST_ERRORS; ) {
        const code = await this.context.readFrame(packet);
        if (code === this.av.constants.AVERROR_EOF) return;
        if (code < 0) {
          errors++;
          broken();
          continue;
        }
        errors = 0;
        yield packet;
        packet.unref();
      }
    } finally {
      packet.free();
    }
  }

  async close(): Promise<void> {
    this.standardInput?.close();
    await this.context.closeInput();
  }
}

/** Frames of a part of a file, as far as the file tells. */
export function framesWithin(
  { frames, durationUs }: Input,
  { fromUs = 0, toUs }: { readonly fromUs: number | undefined; readonly toUs: number | undefined },
): number | undefined {
  if (frames === undefined || durationUs === undefined || (fromUs === 0 && toUs === undefined)) return frames;
  const share = (Math.min(toUs ?? durationUs, durationUs) - fromUs) / durationUs;
  return Math.round(frames * Math.min(1, Math.max(0, share)));
}

/** Whether an input's video is shown turned or mirrored. */
export function isTurned({ av, video }: Input): boolean {
  return video.codecpar.getCodedSideData(av.constants.AV_PKT_DATA_DISPLAYMATRIX) !== null;
}

/** What messages call an input. */
export function nameOf(path: string): string {
  return path === STDIN ? 'Standard input' : path;
}

/** What a file is, from outside. @throws FileError where it is no file that can be read */
export function identify(path: string): FileIdentity {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw new FileError('unreadable', `${path} is a folder.`);
    // Files are read twice: a second time for everything but the video.
    if (stats.isFIFO() || stats.isSocket() || stats.isCharacterDevice()) {
      throw new FileError('unreadable', `${path} is no file but a pipe or a device: give it as standard input, -.`);
    }
    if (stats.size === 0 && stats.isFile()) throw new FileError('unreadable', `${path} is empty.`);
    return { bytes: stats.size, modifiedMs: Math.round(stats.mtimeMs) };
  } catch (thrown) {
    if (thrown instanceof FileError) throw thrown;
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new FileError('unreadable', `${path} does not exist.`, { cause: thrown });
    }
    throw new FileError('unreadable', `${path} cannot be read: ${reasonOf(thrown)}.`, { cause: thrown });
  }
}

/** The largest moving picture; of equals the one that is marked as the default, then the first. */
function mainVideo({ constants: c }: NodeAv, streams: readonly Stream[]): Stream | undefined {
  const rank = (stream: Stream): readonly [number, number] => [
    stream.codecpar.width * stream.codecpar.height,
    stream.hasDisposition(c.AV_DISPOSITION_DEFAULT) ? 1 : 0,
  ];
  return streams
    .filter((stream) => stream.codecpar.codecType === c.AVMEDIA_TYPE_VIDEO)
    .filter((stream) => !stream.hasDisposition(c.AV_DISPOSITION_ATTACHED_PIC))
    .map((stream) => ({ stream, rank: rank(stream) }))
    .sort((a, b) => b.rank[0] - a.rank[0] || b.rank[1] - a.rank[1] || a.stream.index - b.stream.index)[0]?.stream;
}
