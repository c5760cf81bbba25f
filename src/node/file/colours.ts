import type { AVColorPrimaries, AVColorRange, AVColorSpace, AVColorTransferCharacteristic } from 'node-av/constants';
import type { ColourSpace, Size } from '../../frame/frame.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { colourTags, matrixOf } from '../av-colour.js';

/** How a file describes its colours, in FFmpeg's numbers. */
export interface ColourTags {
  readonly matrix: AVColorSpace;
  readonly range: AVColorRange;
  readonly primaries: AVColorPrimaries;
  readonly transfer: AVColorTransferCharacteristic;
}

/** Pictures of fewer lines that do not name their matrix are read as BT.601, others as BT.709: what players do. */
const HD_LINES = 720;

/** What a picture is read as: what it says, and where it says nothing, what players take it for. */
export function readAs(av: NodeAv, tags: ColourTags, { height }: Size, full: boolean): ColourSpace {
  const matrix = matrixOf(av, tags.matrix) ?? usual(height);
  return { matrix, fullRange: full || tags.range === av.constants.AVCOL_RANGE_JPEG };
}

/**
 * The tags of the output: the source's. Where that names no matrix and the larger picture would be taken for another one,
 * the matrix is named.
 */
export function outputTags(av: NodeAv, tags: ColourTags, space: ColourSpace, source: Size, output: Size): ColourTags {
  const { constants: c } = av;
  const range = space.fullRange
    ? c.AVCOL_RANGE_JPEG
    : tags.range === c.AVCOL_RANGE_JPEG
      ? c.AVCOL_RANGE_MPEG
      : tags.range;
  const named = matrixOf(av, tags.matrix) !== undefined;
  // BT.470BG is BT.601 by another name.
  if (named && tags.matrix === c.AVCOL_SPC_BT470BG) return { ...tags, range };
  if (named) return { ...tags, matrix: colourTags(av, space.matrix).matrix, range };
  const other = usual(source.height) !== usual(output.height);
  const rgb = tags.matrix === c.AVCOL_SPC_RGB;
  const matrix = other || rgb ? colourTags(av, space.matrix).matrix : c.AVCOL_SPC_UNSPECIFIED;
  return { ...tags, matrix, range };
}

/** Whether the picture is HDR: its transfer is PQ or HLG. */
export function isHdr({ constants: c }: NodeAv, { transfer }: ColourTags): boolean {
  return transfer === c.AVCOL_TRC_SMPTE2084 || transfer === c.AVCOL_TRC_ARIB_STD_B67;
}

function usual(lines: number): ColourSpace['matrix'] {
  return lines < HD_LINES ? 'smpte170m' : 'bt709';
}
