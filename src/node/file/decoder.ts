import type { CodecContext, Frame, Packet } from 'node-av/lib';
import type { NodeAv } from '../../server/codecs/node-av.js';
import type { Damage } from './damage.js';
import { saysOf } from './ffmpeg.js';
import { FileError } from './file-error.js';
import { type Input, nameOf } from './input.js';

/** A decoded picture, before its pixels are taken over. */
export interface Decoded {
  /** FFmpeg's picture, until the next one is asked for. */
  readonly frame: Frame;
  /** When it is shown, in the video stream's time base. Always later than the one before. */
  readonly pts: bigint;
  /** How long, in the same units; 0 where the file does not say. */
  readonly duration: bigint;
}

/** Errors in a row after which nothing good is expected of a decoder any more. */
const MOST_ERRORS = 200;
/** How pictures are decoded. */
export interface Decoding {
  readonly threads: number;
  /** Pictures with more are refused before memory is taken for them. */
  readonly maxPixels: number;
  readonly signal?: AbortSignal;
}

/** A file that ends so much earlier than it says, in microseconds, has been cut off. */
const CUT_OFF_US = 500_000;

/**
 * The pictures of a file's video, in the order they are shown. What is broken is gone past and counted.
 * @throws FileError where there is no decoder, or the signal has ended it
 */
export async function* decodePictures(
  input: Input,
  damage: Damage,
  { threads, maxPixels, signal }: Decoding,
): AsyncGenerator<Decoded> {
  const { av, video } = input;
  const { lib, constants: c } = av;
  const decoder = openDecoder(input, threads, maxPixels);
  const frame = new lib.Frame();
  frame.alloc();
  const clock = new PictureClock(av, input, damage);
  const end = new LatestEnd(input);
  try {
    const broken = (): void => {
      damage.packets++;
    };
    for await (const packet of input.packets(broken)) {
      // Nobody may be asking for a picture: those that are there already are only counted, and some files have none.
      if (signal?.aborted) throw new FileError('interrupted', 'Ended before the file was done.');
      end.see(packet);
      if (packet.streamIndex !== video.index) continue;
      const refused = (await decoder.sendPacket(packet)) < 0;
      if (refused || packet.hasFlags(c.AV_PKT_FLAG_CORRUPT)) damage.packets++;
      yield* received(av, decoder, frame, clock, damage);
    }
    await decoder.sendPacket(null);
    yield* received(av, decoder, frame, clock, damage);
    damage.truncated ||= end.isEarly;
  } finally {
    decoder.freeContext();
    frame.free();
  }
}

async function* received(
  { constants: c }: NodeAv,
  decoder: CodecContext,
  frame: Frame,
  clock: PictureClock,
  damage: Damage,
): AsyncGenerator<Decoded> {
  // A decoder of several threads tells here of packets it took before, and what follows them still comes.
  for (let errors = 0; errors < MOST_ERRORS; ) {
    const code = await decoder.receiveFrame(frame);
    if (code === c.AVERROR_EAGAIN || code === c.AVERROR_EOF) return;
    if (code < 0) {
      errors++;
      damage.packets++;
      continue;
    }
    errors = 0;
    if (frame.flags & c.AV_FRAME_FLAG_CORRUPT || frame.decodeErrorFlags !== 0) damage.pictures++;
    yield { frame, ...clock.timesOf(frame) };
    frame.unref();
  }
}

function openDecoder({ av, video, path }: Input, threads: number, maxPixels: number): CodecContext {
  const { lib, constants: c } = av;
  const { codecpar } = video;
  const name = lib.avGetCodecName(codecpar.codecId) ?? 'unknown';
  const found = lib.Codec.findDecoder(codecpar.codecId);
  if (!found) throw new FileError('unsupported', `${nameOf(path)} holds ${name} video, which cannot be decoded here.`);
  const context = new lib.CodecContext();
  context.allocContext3(found);
  context.parametersToContext(codecpar);
  context.pktTimebase = video.timeBase;
  context.threadCount = threads;
  context.setFlags(c.AV_CODEC_FLAG_OUTPUT_CORRUPT);
  context.setOption('max_pixels', String(maxPixels));
  // The second argument must be null: a Dictionary is freed twice.
  const code = context.open2Sync(found, null);
  if (code >= 0) return context;
  context.freeContext();
  throw new FileError('unsupported', `${nameOf(path)}: the decoder for ${name} does not open: ${saysOf(av, code)}.`);
}

/** Gives each picture a time that is later than the one before. */
class PictureClock {
  #last: bigint | undefined;
  /** A picture's usual duration, in the stream's time base; 1 where nothing is known. */
  readonly #usual: bigint;

  constructor(
    readonly av: NodeAv,
    { video }: Input,
    readonly damage: Damage,
  ) {
    const { avgFrameRate: rate, timeBase } = video;
    const ticks = rate.num > 0 && rate.den > 0 ? (timeBase.den * rate.den) / (timeBase.num * rate.num) : 1;
    this.#usual = BigInt(Math.max(1, Math.round(ticks)));
  }

  timesOf(frame: Frame): { readonly pts: bigint; readonly duration: bigint } {
    const duration = frame.duration > 0n ? frame.duration : 0n;
    const told = frame.bestEffortTimestamp;
    const last = this.#last;
    const known = told !== this.av.constants.AV_NOPTS_VALUE;
    let pts = known ? told : last === undefined ? 0n : last + (duration || this.#usual);
    if (last !== undefined && pts <= last) pts = last + 1n;
    if (!known || pts !== told) this.damage.times++;
    this.#last = pts;
    return { pts, duration };
  }
}

/** How far the packets of all streams reach, against what the file promises. */
class LatestEnd {
  #endUs = Number.NEGATIVE_INFINITY;
  readonly #units: readonly number[];

  constructor(readonly input: Input) {
    this.#units = input.context.streams.map(({ timeBase: { num, den } }) => (1e6 * num) / den);
  }

  see({ pts, duration, streamIndex }: Packet): void {
    const unit = this.#units[streamIndex];
    if (unit === undefined || pts === this.input.av.constants.AV_NOPTS_VALUE) return;
    this.#endUs = Math.max(this.#endUs, Number(pts + duration) * unit);
  }

  get isEarly(): boolean {
    const { durationUs, startUs } = this.input;
    return durationUs !== undefined && this.#endUs < startUs + durationUs - CUT_OFF_US;
  }
}
