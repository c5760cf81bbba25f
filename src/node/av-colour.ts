import type { AVColorSpace } from 'node-av/constants';
import type { ColourMatrix, ColourSpace } from '../frame/frame.js';
import type { NodeAv } from '../server/codecs/node-av.js';

/**
 * What a picture is taken for that does not say how its colours are to be read, and every VP8 picture, whose format knows
 * nothing else: what browsers show in a call.
 */
export const UNSPECIFIED: ColourSpace = { matrix: 'smpte170m', fullRange: false };

/** How FFmpeg names a matrix, with the primaries and transfer that go with it. */
export function colourTags({ constants: c }: NodeAv, matrix: ColourMatrix) {
  switch (matrix) {
    case 'bt709':
      return { matrix: c.AVCOL_SPC_BT709, primaries: c.AVCOL_PRI_BT709, transfer: c.AVCOL_TRC_BT709 };
    case 'smpte170m':
      return { matrix: c.AVCOL_SPC_SMPTE170M, primaries: c.AVCOL_PRI_SMPTE170M, transfer: c.AVCOL_TRC_SMPTE170M };
    case 'bt2020-ncl':
      return { matrix: c.AVCOL_SPC_BT2020_NCL, primaries: c.AVCOL_PRI_BT2020, transfer: c.AVCOL_TRC_BT2020_10 };
  }
}

/** The matrix of one of FFmpeg's names; undefined for none, for R'G'B' and for what nobody sends. */
export function matrixOf({ constants: c }: NodeAv, space: AVColorSpace): ColourMatrix | undefined {
  switch (space) {
    case c.AVCOL_SPC_BT709:
    case c.AVCOL_SPC_SMPTE240M:
      return 'bt709';
    case c.AVCOL_SPC_SMPTE170M:
    case c.AVCOL_SPC_BT470BG:
    case c.AVCOL_SPC_FCC:
      return 'smpte170m';
    case c.AVCOL_SPC_BT2020_NCL:
    case c.AVCOL_SPC_BT2020_CL:
      return 'bt2020-ncl';
    default:
      return undefined;
  }
}
