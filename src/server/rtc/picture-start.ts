import type { Size } from '../../frame/frame.js';
import { NAL, nalType } from '../rtp/annex-b.js';
import { beginsNal } from '../rtp/h264.js';
import { readSps } from '../rtp/h264-sps.js';
import { readVp8Descriptor, startsVp8Keyframe, vp8KeyframeSize } from '../rtp/vp8.js';
import type { RtcVideoCodec } from './formats.js';

/** Whether decoding can begin with a packet, told from its payload: the first of a VP8 keyframe, or one with H.264's parameters. */
export function startsKeyframe(codec: RtcVideoCodec, payload: Uint8Array): boolean {
  return codec === 'vp8' ? startsVp8Keyframe(payload) : beginsNal(payload, NAL.sps);
}

/** The size of the pictures that begin with such a packet. */
export function keyframeSize(codec: RtcVideoCodec, payload: Uint8Array): Size | undefined {
  if (codec === 'vp8') {
    const descriptor = readVp8Descriptor(payload);
    return descriptor && vp8KeyframeSize(payload, descriptor.bytes);
  }
  const sps = findSps(payload);
  const parameters = sps && readSps(sps);
  return parameters && { width: parameters.width, height: parameters.height };
}

/** The first sequence parameter set of a packet (RFC 6184, section 5.6 and 5.7.1). */
function findSps(payload: Uint8Array): Uint8Array | undefined {
  if (nalType(payload) === NAL.sps) return payload;
  if (nalType(payload) !== NAL.stapA) return undefined;
  for (let at = 1; at + 2 < payload.length; ) {
    const length = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
    if (nalType(payload, at + 2) === NAL.sps) return payload.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}
