import type { AVPixelFormat } from 'node-av/constants';
import { type Input, isTurned } from './input.js';
import { refuseHdr, tagsOf } from './picture-reader.js';

/** What a file is, for people and for JSON. */
export interface FileDescription {
  readonly path: string;
  readonly container: string;
  readonly bytes: number | null;
  readonly seconds: number | null;
  readonly video: {
    readonly stream: number;
    readonly codec: string;
    readonly width: number;
    readonly height: number;
    readonly pixelFormat: string;
    readonly framesPerSecond: number | null;
    readonly frames: number | null;
    readonly sampleAspectRatio: string | null;
    /** Whether it is shown turned or mirrored. */
    readonly turned: boolean;
    readonly hdr: boolean;
  };
  readonly others: readonly {
    readonly stream: number;
    readonly kind: string;
    readonly codec: string;
    readonly language: string | null;
  }[];
}

/** Describes an open input. */
export function describe(input: Input): FileDescription {
  const { av, context, video, path, identity, durationUs, frames } = input;
  const { lib, constants: c } = av;
  const { codecpar, avgFrameRate: rate } = video;
  const aspect = codecpar.sampleAspectRatio;
  let hdr = codecpar.getCodedSideData(c.AV_PKT_DATA_DOVI_CONF) !== null;
  try {
    refuseHdr(av, tagsOf(codecpar));
  } catch {
    hdr = true;
  }
  return {
    path,
    container: context.iformat?.name ?? 'unknown',
    bytes: identity?.bytes ?? null,
    seconds: durationUs === undefined ? null : durationUs / 1e6,
    video: {
      stream: video.index,
      codec: lib.avGetCodecName(codecpar.codecId) ?? 'unknown',
      width: codecpar.width,
      height: codecpar.height,
      pixelFormat: lib.avGetPixFmtName(codecpar.format as AVPixelFormat) ?? 'unknown',
      framesPerSecond: rate.num > 0 && rate.den > 0 ? rate.num / rate.den : null,
      frames: frames ?? null,
      sampleAspectRatio: aspect.num > 0 ? `${aspect.num}:${aspect.den}` : null,
      turned: isTurned(input),
      hdr,
    },
    others: context.streams
      .filter(({ index }) => index !== video.index)
      .map((stream) => ({
        stream: stream.index,
        kind: lib.avGetMediaTypeString(stream.codecpar.codecType) ?? 'data',
        codec: lib.avGetCodecName(stream.codecpar.codecId) ?? 'unknown',
        language: stream.metadata?.get('language') ?? null,
      })),
  };
}
