import {
  canEncodeVideo,
  MkvOutputFormat,
  MovOutputFormat,
  Mp4OutputFormat,
  type OutputFormat,
  Quality,
  WebMOutputFormat,
} from 'mediabunny';
import { UpscaleError } from '../../frame/errors.js';
import { type Size, sizeText } from '../../frame/frame.js';
import type { FileContainer, FileVideoCodec } from './options.js';
import type { FileSettings } from './protocol.js';

/** Codecs to try, best first: what most things play, then what is coded best. */
const CODECS: Readonly<Record<FileContainer, readonly FileVideoCodec[]>> = {
  mp4: ['avc', 'vp9', 'av1', 'hevc'],
  mov: ['avc', 'hevc'],
  mkv: ['avc', 'vp9', 'av1', 'vp8', 'hevc'],
  webm: ['vp9', 'av1', 'vp8'],
};

/** What the output is going to be. */
export interface OutputPlan {
  readonly container: FileContainer;
  readonly codec: FileVideoCodec;
  readonly quality: Quality;
}

/**
 * Decides on container and codec.
 * @param source the source's own container
 * @throws UpscaleError `output-unsupported` where this browser encodes none of them at this size
 */
export async function planOutput(
  { container, codec, bitrate, quality }: FileSettings,
  source: FileContainer,
  size: Size,
): Promise<OutputPlan> {
  const kind = container === 'auto' ? containerFor(source, codec) : container;
  const wanted = bitrate === null ? new Quality(quality) : new Quality({ bitrate });
  const tried = codec === 'auto' ? CODECS[kind] : [codec];
  for (const one of tried) {
    const { width, height } = size;
    if (await canEncodeVideo(one, { width, height, quality: wanted })) {
      return { container: kind, codec: one, quality: wanted };
    }
  }
  const which = tried.length === 1 ? `no encoder for ${tried[0]}` : `none of the encoders ${tried.join(', ')}`;
  throw new UpscaleError(
    'output-unsupported',
    `This browser has ${which} at ${sizeText(size)}. Give another options.codec, a smaller scale, or use another browser.`,
    { recoverable: false },
  );
}

/** The writer of a container. @param appendOnly whether nothing can be written twice */
export function formatOf(container: FileContainer, appendOnly: boolean): OutputFormat {
  if (container === 'webm') return new WebMOutputFormat({ appendOnly });
  if (container === 'mkv') return new MkvOutputFormat({ appendOnly });
  const options = { fastStart: appendOnly ? 'fragmented' : false } as const;
  return container === 'mov' ? new MovOutputFormat(options) : new Mp4OutputFormat(options);
}

/** A codec that was asked for by name may not fit into the source's container. */
function containerFor(source: FileContainer, codec: 'auto' | FileVideoCodec): FileContainer {
  if (codec === 'auto' || CODECS[source].includes(codec)) return source;
  return codec === 'vp8' ? 'webm' : 'mp4';
}
