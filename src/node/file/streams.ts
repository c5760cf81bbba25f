import { devNull } from 'node:os';
import type { CodecParameters, FormatContext, Stream } from 'node-av/lib';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { saysOf } from './ffmpeg.js';
import { FileError } from './file-error.js';
import type { Input } from './input.js';

/** Metadata that FFmpeg writes by itself, or that tells of a stream as it was. */
const NOT_COPIED =
  /^(major_brand|minor_version|compatible_brands|encoder|duration|number_of_(frames|bytes)|bps|_statistics.*)(-\w+)?$/i;

/** What becomes of a file's streams in another container. */
export interface StreamPlan {
  /** Indices of streams that are copied packet by packet. */
  readonly copied: readonly number[];
  /** A sentence for each stream that the container does not take. */
  readonly left: readonly string[];
}

/** Where nothing but the video is kept. */
export const NOTHING_ELSE: StreamPlan = { copied: [], left: [] };

/** FFmpeg's name of the container that a file's name asks for. @throws FileError */
export function containerOf({ lib }: NodeAv, output: string): string {
  const name = lib.OutputFormat.guessFormat(null, output, null)?.name;
  if (name) return name;
  throw new FileError('usage', `The name ${output} tells no container: end it with .mp4, .mkv, .mov, .webm or .y4m.`);
}

/** Asks FFmpeg's container which of a file's other streams it takes. */
export async function planStreams(
  { av, context, video }: Input,
  container: string,
  output: string,
): Promise<StreamPlan> {
  const copied: number[] = [];
  const left: string[] = [];
  for (const stream of context.streams) {
    if (stream.index === video.index) continue;
    // QuickTime's chapters are a track as well; they are copied as chapters.
    if (isChapterTrack(av, stream)) continue;
    const why = await refusal(av, container, stream);
    if (why === undefined) copied.push(stream.index);
    else left.push(`Stream ${stream.index}, ${kindOf(av, stream)}, is not kept: ${output} cannot hold it.`);
  }
  return { copied, left };
}

function isChapterTrack({ constants: c }: NodeAv, { codecpar }: Stream): boolean {
  return codecpar.codecType === c.AVMEDIA_TYPE_DATA && codecpar.codecTagString?.trim() === 'text';
}

/** Why a container does not take a stream, by its own word; `undefined` where it does. */
async function refusal(av: NodeAv, container: string, source: Stream): Promise<string | undefined> {
  const { lib, constants: c } = av;
  const { codecId, codecType } = source.codecpar;
  if (codecId === c.AV_CODEC_ID_NONE && codecType !== c.AVMEDIA_TYPE_ATTACHMENT) return 'unknown';
  const trial = new lib.FormatContext();
  try {
    if (trial.allocOutputContext2(null, container, devNull) < 0) return 'no container';
    addCopy(av, trial, source);
    if ((await trial.openOutput()) < 0) return 'no output';
    const code = await trial.writeHeader(null);
    return code < 0 ? saysOf(av, code) : undefined;
  } finally {
    await trial.closeOutput();
    trial.freeContext();
  }
}

/** Whether a container takes video that an encoder describes. @throws FileError */
export async function checkVideo(
  av: NodeAv,
  container: string,
  output: string,
  codec: string,
  fill: (to: CodecParameters) => void,
): Promise<void> {
  const { lib } = av;
  const trial = new lib.FormatContext();
  try {
    trial.allocOutputContext2(null, container, devNull);
    fill(trial.newStream().codecpar);
    if ((await trial.openOutput()) >= 0 && (await trial.writeHeader(null)) >= 0) return;
  } finally {
    await trial.closeOutput();
    trial.freeContext();
  }
  throw new FileError('usage', `${output} cannot hold ${codec} video: choose another --codec or another ending.`);
}

/** Adds a stream like another one, for its packets as they are. */
export function addCopy(av: NodeAv, muxer: FormatContext, source: Stream): Stream {
  const stream = muxer.newStream();
  source.codecpar.copy(stream.codecpar);
  // Each container has its own tags.
  stream.codecpar.codecTag = 0;
  stream.timeBase = source.timeBase;
  describeLike(av, stream, source);
  return stream;
}

/** Gives a stream another one's metadata and role. */
export function describeLike(av: NodeAv, stream: Stream, source: Stream): void {
  stream.metadata = keptMetadata(av, source.metadata);
  stream.disposition = source.disposition;
}

/** Metadata without what the muxer writes by itself. */
export function keptMetadata({ lib }: NodeAv, metadata: Stream['metadata']): Stream['metadata'] {
  const all = metadata?.getAll() ?? {};
  return lib.Dictionary.fromObject(Object.fromEntries(Object.entries(all).filter(([key]) => !NOT_COPIED.test(key))));
}

function kindOf({ lib }: NodeAv, { codecpar }: Stream): string {
  const kind = lib.avGetMediaTypeString(codecpar.codecType) ?? 'data';
  return `${kind} (${lib.avGetCodecName(codecpar.codecId) ?? 'unknown'})`;
}
