import type { Size } from '../../frame/frame.js';
import type { CodedPicture } from '../codecs/codec.js';
import { NAL, nalType, splitAnnexB } from './annex-b.js';
import { readSps } from './h264-sps.js';
import { vp8KeyframeSize } from './vp8.js';

/** Parameter sets come first in an access unit. */
const MOST_NALS = 16;

/** The size that a keyframe tells in its headers, as it is shown. `undefined` for other pictures and other codecs. */
export function pictureSize(picture: Pick<CodedPicture, 'codec' | 'data' | 'key'>): Size | undefined {
  if (!picture.key) return undefined;
  if (picture.codec === 'vp8') return vp8KeyframeSize(picture.data);
  if (picture.codec !== 'h264') return undefined;
  const sps = splitAnnexB(picture.data, MOST_NALS).find((nal) => nalType(nal) === NAL.sps);
  const parameters = sps && readSps(sps);
  return parameters && { width: parameters.width, height: parameters.height };
}
