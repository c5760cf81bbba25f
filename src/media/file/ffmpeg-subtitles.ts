import type { SubtitleTrackMetadata } from 'mediabunny';
import { reasonOf } from '../../frame/errors.js';
import { type ProbedStream, readProbe } from './ffmpeg-probe.js';
import { FfmpegTool, SOURCE_PATH } from './ffmpeg-tool.js';
import { NO_CHAPTERS, type Notice } from './media.js';
import type { FileAssets } from './protocol.js';
import type { SubtitleTrack } from './subtitles.js';
import { readCues } from './webvtt-cues.js';

/** Most subtitle tracks that are kept. */
const MOST_TRACKS = 32;
/** What Matroska calls WebVTT, and ffmpeg does not know by that name; and where that word is to be found. */
const MATROSKA_WEBVTT = /S_TEXT\/WEBVTT/;
const LOOK_BYTES = 4 * 1024 * 1024;
/** Most text of a track, in bytes; a film has some hundred kilobytes. */
const MOST_BYTES = 4 * 1024 * 1024;

/** What {@link readSubtitles} reads from. */
export interface SubtitleSource {
  /** The whole file. */
  blob(): Promise<Blob>;
  readonly assets: FileAssets;
  readonly signal: AbortSignal;
  readonly notice: Notice;
  /** How to speak of them: `The subtitles of the file`. */
  readonly what: string;
}

/**
 * Reads the text subtitles of a file by an ffmpeg.wasm of its own, which is gone afterwards: whatever becomes of it, the video is
 * not touched. What is not kept is told.
 * @throws the signal's reason, and nothing else
 */
export async function readSubtitles(source: SubtitleSource, shiftS: number): Promise<readonly SubtitleTrack[]> {
  const { assets, signal, notice, what } = source;
  if (!assets.ffmpegCore) {
    notice(`${what} are not in the output: ffmpeg.wasm reads them, see options.assets.ffmpegCore.`);
    return [];
  }
  let tool: FfmpegTool | undefined;
  try {
    const blob = await source.blob();
    tool = await FfmpegTool.load(assets, blob, signal);
    const probe = await tool.probe();
    const streams = readProbe(probe);
    if (hasChapters(probe)) notice(NO_CHAPTERS);
    const isWebVtt = MATROSKA_WEBVTT.test(await blob.slice(0, LOOK_BYTES).text());
    return await tracksOf(tool, streams.filter(isSubtitle), isWebVtt, shiftS, notice);
  } catch (thrown) {
    signal.throwIfAborted();
    notice(`${what} are not in the output: ${reasonOf(thrown).replace(/\.$/, '')}.`);
    return [];
  } finally {
    tool?.dispose();
  }
}

/** Whether a stream is subtitles, also where ffmpeg takes it for unknown data. */
export function isSubtitle({ type, tag }: ProbedStream): boolean {
  return type === 'subtitle' || (type === 'data' && (tag === 'wvtt' || tag === 'stpp'));
}

/** Whether a file that ffprobe has looked at has chapters. */
export function hasChapters(probe: unknown): boolean {
  const { chapters } = (probe ?? {}) as { readonly chapters?: unknown };
  return Array.isArray(chapters) && chapters.length > 0;
}

async function tracksOf(
  tool: FfmpegTool,
  streams: readonly ProbedStream[],
  isWebVtt: boolean,
  shiftS: number,
  notice: Notice,
): Promise<SubtitleTrack[]> {
  const named = streams.map((stream, i) => ({
    stream,
    name: `Subtitle track ${i + 1} (${codecName(stream)})`,
    path: `/subtitles-${i}.vtt`,
  }));
  const readable = named.filter(({ stream, name }, i) => {
    const why = i < MOST_TRACKS ? whyNot(stream, isWebVtt) : `only the first ${MOST_TRACKS} are kept`;
    if (why) notice(`${name} is not in the output: ${why}.`);
    return !why;
  });
  /** One reading of the file for all. */
  const convert = async (some: typeof readable): Promise<boolean> => {
    const outputs = some.flatMap(({ stream, path }) => [
      ...[
        '-map',
        `0:${stream.index}`,
        '-c:s',
        stream.codec === 'webvtt' ? 'copy' : 'webvtt',
        '-output_ts_offset',
        shiftS.toFixed(6),
      ],
      ...['-fs', String(MOST_BYTES), '-f', 'webvtt', path],
    ]);
    const plain = some.filter(({ stream }) => isUnknown(stream));
    // Matroska's WebVTT is plain text in its packets, as SubRip is, whose decoder keeps the marks that both have.
    const decoders = plain.flatMap(({ stream }) => [`-c:${stream.index}`, 'subrip']);
    return (await tool.run(['-loglevel', 'error', '-copyts', ...decoders, '-i', SOURCE_PATH, ...outputs])).ok;
  };
  if (readable.length === 0) return [];
  if (!(await convert(readable)) && readable.length > 1) {
    // One that cannot be decoded spoils all.
    for (const one of readable) await convert([one]);
  }
  const tracks: SubtitleTrack[] = [];
  for (const { stream, name, path } of readable) {
    const bytes = await tool.take(path);
    const text = new TextDecoder().decode(bytes);
    const { cues, lost } = readCues(text);
    if (!text.startsWith('WEBVTT')) notice(`${name} is not in the output: ffmpeg.wasm cannot read it.`);
    else if (lost > 0) notice(`${name} has too many texts at a time, or too many in all: ${lost} are left out.`);
    else if (bytes.length >= MOST_BYTES) notice(`${name} is cut off: it has more than ${MOST_BYTES} bytes.`);
    if (cues.length === 0) continue;
    if (/^(ass|ssa)$/.test(stream.codec)) notice(`${name} is kept as WebVTT: its styles and positions are not.`);
    tracks.push({ metadata: metadataOf(stream), cues });
  }
  return tracks;
}

/** Why subtitles cannot be kept. @param isWebVtt whether what ffmpeg does not know is WebVTT in Matroska */
function whyNot(stream: ProbedStream, isWebVtt: boolean): string | undefined {
  if (/pgs|dvd_sub|dvb_sub|xsub/.test(stream.codec)) return 'it is made of pictures, and only text is kept';
  const readable = !isUnknown(stream) || (isWebVtt && stream.type === 'subtitle');
  return readable ? undefined : 'ffmpeg.wasm cannot read it';
}

function codecName({ codec, tag }: ProbedStream): string {
  return codec || (/^\w+$/.test(tag) ? tag : 'unknown codec');
}

function isUnknown({ codec }: ProbedStream): boolean {
  return codec === '' || codec === 'unknown' || codec === 'none';
}

function metadataOf({ language, title, dispositions }: ProbedStream): SubtitleTrackMetadata {
  const is = (name: string): boolean => dispositions.includes(name);
  return {
    ...(language ? { languageCode: language } : {}),
    ...(title ? { name: title } : {}),
    disposition: {
      default: is('default'),
      forced: is('forced'),
      original: is('original'),
      commentary: is('comment'),
      hearingImpaired: is('hearing_impaired'),
      visuallyImpaired: is('visual_impaired'),
    },
  };
}
