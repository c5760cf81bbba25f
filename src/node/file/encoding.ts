import type { FFEncoderCodec } from 'node-av/constants';
import type { CodecContext } from 'node-av/lib';
import type { ColourSpace, Size } from '../../frame/frame.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import type { ColourTags } from './colours.js';
import { saysOf } from './ffmpeg.js';
import { FileError } from './file-error.js';

/** What video can be written as. */
export const OUTPUT_CODECS = ['h264', 'hevc', 'vp9', 'av1'] as const;

/** One of {@link OUTPUT_CODECS}. */
export type OutputCodec = (typeof OUTPUT_CODECS)[number];

/** How the video is encoded. */
export interface EncodingChoices {
  readonly codec: OutputCodec;
  /** Constant quality in the codec's own measure, lower is better; `undefined`: {@link USUAL_CRF}. */
  readonly crf?: number | undefined;
  /** The encoder's own name for how slow it may be; `undefined`: its `medium`, or what is like it. */
  readonly preset?: string | undefined;
  readonly threads: number;
}

/** Quality of each codec where none is asked for: next to what one sees no difference from. */
export const USUAL_CRF: Readonly<Record<OutputCodec, number>> = { h264: 17, hevc: 20, vp9: 24, av1: 24 };

/** Encoders of FFmpeg's for each codec, best first. */
const ENCODERS: Readonly<Record<OutputCodec, readonly string[]>> = {
  h264: ['libx264'],
  hevc: ['libx265'],
  vp9: ['libvpx-vp9'],
  av1: ['libsvtav1', 'libaom-av1'],
};

/** What is known of the pictures before the first one comes. */
export interface EncodedShape extends Size {
  readonly timeBase: { readonly num: number; readonly den: number };
  readonly frameRate: { readonly num: number; readonly den: number };
  readonly sampleAspectRatio: { readonly num: number; readonly den: number };
  /** What the file says of its colours. */
  readonly tags: ColourTags;
  /** What its samples are made with: `tags` may leave it open. */
  readonly samples: ColourSpace;
}

/** Codecs that this build of FFmpeg's libraries encodes. */
export function availableCodecs({ lib }: NodeAv): OutputCodec[] {
  return OUTPUT_CODECS.filter((codec) =>
    ENCODERS[codec].some((name) => lib.Codec.findEncoderByName(name as FFEncoderCodec)),
  );
}

/** An open encoder for yuv420p. The caller frees it. @throws FileError with a sentence */
export function openEncoder(av: NodeAv, shape: EncodedShape, choices: EncodingChoices): CodecContext {
  const { lib } = av;
  const name = ENCODERS[choices.codec].find((one) => lib.Codec.findEncoderByName(one as FFEncoderCodec));
  if (!name) {
    const others = availableCodecs(av).join(', ');
    throw new FileError('usage', `This build of node-av does not encode ${choices.codec}: choose one of ${others}.`);
  }
  return openNamed(av, name as FFEncoderCodec, shape, choices.threads, optionsOf(name, choices));
}

/** FFmpeg's encoder that leaves pictures as they are. */
export function openRaw(av: NodeAv, shape: EncodedShape): CodecContext {
  return openNamed(av, 'rawvideo' as FFEncoderCodec, shape, 1, {});
}

function openNamed(
  av: NodeAv,
  name: FFEncoderCodec,
  { width, height, timeBase, frameRate, sampleAspectRatio, tags }: EncodedShape,
  threads: number,
  options: Readonly<Record<string, string>>,
): CodecContext {
  const { lib, constants: c } = av;
  const found = lib.Codec.findEncoderByName(name);
  const context = new lib.CodecContext();
  context.allocContext3(found);
  context.width = width;
  context.height = height;
  context.pixelFormat = c.AV_PIX_FMT_YUV420P;
  context.timeBase = new lib.Rational(timeBase.num, timeBase.den);
  if (frameRate.num > 0 && frameRate.den > 0) context.framerate = new lib.Rational(frameRate.num, frameRate.den);
  context.sampleAspectRatio = new lib.Rational(sampleAspectRatio.num, sampleAspectRatio.den);
  context.colorRange = tags.range;
  context.colorSpace = tags.matrix;
  context.colorPrimaries = tags.primaries;
  context.colorTrc = tags.transfer;
  context.threadCount = threads;
  context.setFlags(c.AV_CODEC_FLAG_GLOBAL_HEADER);
  for (const [option, value] of Object.entries(options)) {
    if (context.setOption(option, value) >= 0) continue;
    context.freeContext();
    throw new FileError('usage', `The encoder ${name} does not take ${value} as ${option}.`);
  }
  // The second argument must be null: a Dictionary is freed twice.
  const code = context.open2Sync(found, null);
  if (code >= 0) return context;
  context.freeContext();
  const asked = Object.entries(options).map(([option, value]) => `${option} ${value}`);
  throw new FileError('usage', `The encoder ${name} does not open with ${asked.join(', ')}: ${saysOf(av, code)}.`);
}

function optionsOf(name: string, { codec, crf = USUAL_CRF[codec], preset }: EncodingChoices): Record<string, string> {
  switch (name) {
    case 'libx264':
      return { preset: preset ?? 'medium', crf: String(crf) };
    case 'libx265':
      return { preset: preset ?? 'medium', crf: String(crf), 'x265-params': 'log-level=none' };
    case 'libvpx-vp9':
      return { crf: String(crf), b: '0', deadline: 'good', 'cpu-used': preset ?? '2', 'row-mt': '1' };
    case 'libsvtav1':
      return { crf: String(crf), preset: preset ?? '7' };
    default:
      return { crf: String(crf), b: '0', 'cpu-used': preset ?? '5', 'row-mt': '1' };
  }
}
