import type { MetadataTags } from 'mediabunny';
import { UpscaleError } from '../../frame/errors.js';
import { tightLength } from '../../frame/planes.js';
import { hdr } from './browser-media.js';
import { type ProbedStream, readProbe } from './ffmpeg-probe.js';
import { ffmpegSound } from './ffmpeg-sound.js';
import { hasChapters, isSubtitle, readSubtitles } from './ffmpeg-subtitles.js';
import { FfmpegTool, SOURCE_PATH } from './ffmpeg-tool.js';
import { Increasing } from './frame-times.js';
import {
  type Media,
  NO_ATTACHMENTS,
  NO_CHAPTERS,
  type Notice,
  type SoundTrack,
  type SourceFrame,
  type VideoFacts,
} from './media.js';
import { namedColours } from './named-colours.js';
import type { FileAssets } from './protocol.js';
import type { ReadSubtitles } from './subtitles.js';

/** Bytes of pictures that are decoded at once. */
const PIECE_BYTES = 48 * 1024 * 1024;
const LONGEST_PIECE_S = 10;
/** Decoding begins so much before what is wanted: not every format can be entered exactly where it is asked. */
const RUN_IN_S = 3;
/** What a frame takes where nobody knows its rate. */
const DEFAULT_RATE = 25;
/** Pieces in a row that may have no frames within the file's time. */
const MOST_EMPTY = 1000;
const FINAL = { recoverable: false } as const;
/** What R'G'B' is made into. */
const BT709 = { matrix: 'bt709', primaries: 'bt709', transfer: 'bt709', fullRange: false } as const;

/** A file that ffmpeg.wasm decodes, a piece at a time. @throws UpscaleError */
export async function openFfmpegMedia(
  source: Blob,
  assets: FileAssets,
  notice: Notice,
  signal: AbortSignal,
): Promise<Media> {
  const tool = await FfmpegTool.load(assets, source, signal);
  try {
    const probe = await tool.probe().catch(() => undefined);
    const streams = readProbe(probe);
    const videos = streams.filter(({ type, isCover }) => type === 'video' && !isCover);
    const sounds = streams.filter(({ type }) => type === 'audio');
    const [video] = videos;
    if (!video) {
      throw new UpscaleError(
        'file-invalid',
        sounds.length > 0 ? 'The file has no video, only sound.' : 'This file is no video, or it is damaged.',
        FINAL,
      );
    }
    if (!(video.width > 0 && video.height > 0)) {
      throw new UpscaleError('file-invalid', 'The file is damaged: the size of its pictures is not known.', FINAL);
    }
    if (video.transfer === 'smpte2084' || video.transfer === 'arib-std-b67') throw hdr();
    if (videos.length > 1) notice(`The file has ${videos.length} video tracks; only the first one is in the output.`);
    if (video.bits > 8) notice('The source has more than 8 bits a sample; the output has 8.');
    if (hasChapters(probe)) notice(NO_CHAPTERS);
    if (streams.some(({ type }) => type === 'attachment')) notice(NO_ATTACHMENTS);
    const texts = { blob: async () => source, assets, signal, notice, what: 'The subtitles of the file' };
    const subtitles: ReadSubtitles | null = streams.some(isSubtitle) ? (shiftS) => readSubtitles(texts, shiftS) : null;
    const sound = await Promise.all(sounds.map((one, i) => ffmpegSound(tool, one, i, sounds.length)));
    return new FfmpegMedia(tool, video, sound, subtitles, notice);
  } catch (thrown) {
    tool.dispose();
    signal.throwIfAborted();
    throw thrown;
  }
}

/** A piece of the video: I420 pictures one after another, and when they are shown. */
interface Piece {
  readonly pictures: Uint8Array;
  readonly timesS: readonly number[];
  readonly ok: boolean;
}

class FfmpegMedia implements Media {
  readonly video: VideoFacts;
  readonly tags: MetadataTags = {};
  readonly container = 'mp4';
  readonly #pieceS: number;
  readonly #filters: string;
  readonly #frameS: number;

  constructor(
    readonly tool: FfmpegTool,
    readonly stream: ProbedStream,
    readonly sound: readonly SoundTrack[],
    readonly subtitles: ReadSubtitles | null,
    readonly notice: Notice,
  ) {
    const { width, height, rotation, pixelAspect, startS, frames } = stream;
    const rate = stream.frameRate || DEFAULT_RATE;
    const durationS = stream.durationS || frames / rate;
    this.#frameS = 1 / rate;
    this.#pieceS = Math.min(LONGEST_PIECE_S, Math.max(1, Math.floor(PIECE_BYTES / tightLength('I420', stream))) / rate);
    const rgb = !/^(yuv|nv|gray|p0|y4|uyvy)/.test(stream.pixelFormat);
    const range = stream.fullRange || rgb ? ['out_range=tv'] : [];
    const scale = [...range, ...(rgb ? ['out_color_matrix=bt709'] : [])];
    this.#filters = scale.length > 0 ? `scale=${scale.join(':')},` : '';
    this.video = {
      size: { width, height },
      rotation,
      flip: false,
      pixelAspect,
      colour: rgb ? BT709 : colourOf(stream),
      frames: frames || Math.round(durationS * rate),
      startS,
      endS: startS + durationS,
    };
  }

  /** While one piece is upscaled, the next one is decoded. */
  async *frames(fromS?: number): AsyncGenerator<SourceFrame, void, unknown> {
    const { startS, endS, size } = this.video;
    const bytes = tightLength('I420', size);
    let begin = fromS ?? startS;
    let any = false;
    let empty = 0;
    const times = new Increasing();
    let next = this.#decode(fromS ?? null, begin + this.#pieceS);
    for (;;) {
      const piece = await next;
      const count = Math.min(piece.timesS.length, Math.floor(piece.pictures.length / bytes));
      if (!piece.ok && count === 0 && !any) {
        throw new UpscaleError('file-invalid', 'The file is damaged: not one frame of it can be decoded.', FINAL);
      }
      begin += this.#pieceS;
      empty = count === 0 ? empty + 1 : 0;
      // The file's own word for its length may be wrong: what comes after it counts as long as there is something.
      const more = empty <= MOST_EMPTY && (begin <= endS || count > 0);
      if (more) {
        next = this.#decode(begin, begin + this.#pieceS);
        next.catch(() => undefined);
      }
      for (let i = 0; i < count; i++) {
        const timestampS = times.next(piece.timesS[i] as number);
        const after = piece.timesS[i + 1];
        yield {
          frame: this.#frame(piece.pictures.slice(i * bytes, (i + 1) * bytes), timestampS),
          timestampS,
          durationS: after === undefined ? this.#frameS : Math.max(0, after - timestampS),
        };
        any = true;
      }
      if (!more) break;
    }
    if (!any && fromS === undefined) {
      throw new UpscaleError('file-invalid', 'The file is damaged: not one frame of it can be decoded.', FINAL);
    }
  }

  dispose(): void {
    this.tool.dispose();
  }

  /** Frames shown at or after `fromS` (`null`: the file's beginning) and before `toS`. */
  async #decode(fromS: number | null, toS: number): Promise<Piece> {
    const seek = fromS === null ? [] : ['-noaccurate_seek', '-seek_timestamp', '1', '-ss', seconds(fromS - RUN_IN_S)];
    const trim = `trim=${fromS === null ? '' : `start=${seconds(fromS)}:`}end=${seconds(toS)}`;
    const { ok, lines, complaint } = await this.tool.run(
      [
        ...['-loglevel', 'info', '-copyts', '-noautorotate', ...seek, '-i', SOURCE_PATH, '-map', '0:V:0'],
        ...['-vf', `${trim},${this.#filters}format=yuv420p,showinfo=checksum=0`, '-fps_mode', 'passthrough'],
        ...['-f', 'rawvideo', '/pictures.yuv'],
      ],
      /Parsed_showinfo/,
    );
    if (!ok || /corrupt|error while decoding/i.test(complaint)) {
      this.notice('Parts of the file are damaged: frames that cannot be decoded are left out.');
    }
    return { ok, timesS: timesOf(lines), pictures: await this.tool.take('/pictures.yuv') };
  }

  #frame(data: Uint8Array<ArrayBuffer>, timestampS: number): VideoFrame {
    const { width, height } = this.video.size;
    return new VideoFrame(data, {
      format: 'I420',
      codedWidth: width,
      codedHeight: height,
      timestamp: Math.round(timestampS * 1e6),
      colorSpace: this.video.colour,
    });
  }
}

/** Times of the frames in what the `showinfo` filter printed. */
function timesOf(lines: readonly string[]): number[] {
  let unitS = 0;
  const times: number[] = [];
  for (const line of lines) {
    const base = /config in time_base: (\d+)\/(\d+)/.exec(line);
    if (base) unitS = Number(base[1]) / Number(base[2]);
    const frame = / n: *\d+ pts: *(-?\d+)/.exec(line);
    if (frame) times.push(Number(frame[1]) * unitS);
  }
  return times;
}

/** Seconds as ffmpeg's options take them. */
function seconds(value: number): string {
  return value.toFixed(6);
}

/** Colours by the names of WebCodecs. */
function colourOf({ matrix, transfer, primaries, height }: ProbedStream): VideoColorSpaceInit {
  const same: Readonly<Record<string, string>> = {
    bt709: 'bt709',
    smpte170m: 'smpte170m',
    bt470bg: 'bt470bg',
    bt2020nc: 'bt2020-ncl',
  };
  const named = {
    // BT.470BG is BT.601 by another name.
    matrix: matrix === 'bt470bg' ? 'smpte170m' : (same[matrix] ?? null),
    primaries: same[primaries] ?? null,
    transfer: transfer === 'bt709' || transfer === 'smpte170m' ? transfer : null,
  };
  return namedColours(named as VideoColorSpaceInit, height);
}
