import type { AVPixelFormat } from 'node-av/constants';
import type { Size } from '../../frame/frame.js';
import { outputTags, readAs } from './colours.js';
import type { EncodedShape } from './encoding.js';
import type { Input } from './input.js';
import { tagsOf } from './picture-reader.js';

/** Frame rate that is written where a file tells none. */
const USUAL_RATE = { num: 25, den: 1 };

/** What the output's pictures are: the input's description, for pictures of another size. */
export function outputShape({ av, video }: Input, size: Size): EncodedShape {
  const { codecpar, timeBase, avgFrameRate, rFrameRate, sampleAspectRatio } = video;
  const source = { width: codecpar.width, height: codecpar.height };
  const tags = tagsOf(codecpar);
  const name = av.lib.avGetPixFmtName(codecpar.format as AVPixelFormat) ?? '';
  const rgb = tags.matrix === av.constants.AVCOL_SPC_RGB || /^(rgb|bgr|gbr|argb|abgr|0rgb|0bgr|pal)/.test(name);
  // R'G'B' is written as most players expect Y'CbCr: in limited range.
  const read = readAs(
    av,
    rgb ? { ...tags, range: av.constants.AVCOL_RANGE_MPEG } : tags,
    rgb ? size : source,
    name.startsWith('yuvj'),
  );
  const samples = { ...read, fullRange: read.fullRange && !rgb };
  const rate = [avgFrameRate, rFrameRate].find(({ num, den }) => num > 0 && den > 0) ?? USUAL_RATE;
  const aspect = [sampleAspectRatio, codecpar.sampleAspectRatio].find(({ num, den }) => num > 0 && den > 0);
  return {
    width: size.width,
    height: size.height,
    timeBase,
    frameRate: rate,
    sampleAspectRatio: aspect ?? { num: 0, den: 1 },
    tags: outputTags(av, tags, samples, source, size),
    samples,
  };
}
