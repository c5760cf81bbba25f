import type { Size } from '../../frame/frame.js';
import type { RtcVideoCodec } from './formats.js';

const NAL_STAP_A = 24;
const NAL_SPS = 7;
/** Codes of an SPS that are longer name sizes that no picture has. */
const MAX_ZEROS = 20;
/** Profiles whose SPS goes on about colour, which ours does not offer (H.264, 7.3.2.1.1). */
const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/**
 * The size of the pictures that follow, where a packet's payload says it: the first packet of a VP8 keyframe, or an H.264
 * packet with a sequence parameter set.
 */
export function pictureSize(codec: RtcVideoCodec, payload: Buffer): Size | undefined {
  return codec === 'vp8' ? vp8Size(payload) : h264Size(payload);
}

/** RFC 7741, section 4.2 and 4.3; RFC 6386, section 9.1. */
function vp8Size(payload: Buffer): Size | undefined {
  const first = payload[0] ?? 0;
  // The beginning of the first partition.
  if (!(first & 0x10) || (first & 0x07) !== 0) return undefined;
  let at = 1;
  if (first & 0x80) {
    const extension = payload[at++] ?? 0;
    if (extension & 0x80) at += (payload[at] ?? 0) & 0x80 ? 2 : 1;
    if (extension & 0x40) at += 1;
    if (extension & 0x30) at += 1;
  }
  if (payload.length < at + 10 || payload.readUInt8(at) & 1) return undefined;
  if (payload.readUIntBE(at + 3, 3) !== 0x9d012a) return undefined;
  return { width: payload.readUInt16LE(at + 6) & 0x3fff, height: payload.readUInt16LE(at + 8) & 0x3fff };
}

/** RFC 6184, section 5.6 and 5.7.1. */
function h264Size(payload: Buffer): Size | undefined {
  const type = (payload[0] ?? 0) & 0x1f;
  if (type === NAL_SPS) return spsSize(payload);
  if (type !== NAL_STAP_A) return undefined;
  for (let at = 1; at + 3 <= payload.length; ) {
    const length = payload.readUInt16BE(at);
    const unit = payload.subarray(at + 2, at + 2 + length);
    if (((unit[0] ?? 0) & 0x1f) === NAL_SPS) return spsSize(unit);
    at += 2 + length;
  }
  return undefined;
}

/** H.264, 7.3.2.1.1 and 7.4.2.1.1. */
function spsSize(unit: Buffer): Size | undefined {
  const profile = unit[1] ?? 0;
  if (HIGH_PROFILES.has(profile)) return undefined;
  try {
    const bits = new Bits(unit.subarray(4));
    bits.unsigned();
    bits.unsigned();
    const orderType = bits.unsigned();
    if (orderType === 0) bits.unsigned();
    else if (orderType === 1) {
      bits.bit();
      bits.unsigned();
      bits.unsigned();
      const cycle = bits.unsigned();
      if (cycle > 255) return undefined;
      for (let i = 0; i < cycle; i++) bits.unsigned();
    }
    bits.unsigned();
    bits.bit();
    const columns = bits.unsigned() + 1;
    const rows = bits.unsigned() + 1;
    const frameOnly = bits.bit();
    if (!frameOnly) bits.bit();
    bits.bit();
    const crop = bits.bit() ? [bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()] : [0, 0, 0, 0];
    const [left = 0, right = 0, top = 0, bottom = 0] = crop;
    const fields = frameOnly ? 1 : 2;
    const width = columns * 16 - (left + right) * 2;
    const height = rows * 16 * fields - (top + bottom) * 2 * fields;
    return width > 0 && height > 0 ? { width, height } : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Reads the bits of a NAL unit, without its emulation prevention. */
class Bits {
  readonly #bytes: number[] = [];
  #at = 0;

  constructor(data: Buffer) {
    let zeros = 0;
    for (const byte of data) {
      if (zeros >= 2 && byte === 3) {
        zeros = 0;
        continue;
      }
      zeros = byte === 0 ? zeros + 1 : 0;
      this.#bytes.push(byte);
    }
  }

  /** @throws RangeError at the end */
  bit(): number {
    const byte = this.#bytes[this.#at >> 3];
    if (byte === undefined) throw new RangeError('The unit ends too soon.');
    return (byte >> (7 - (this.#at++ & 7))) & 1;
  }

  /** An Exp-Golomb code. */
  unsigned(): number {
    let zeros = 0;
    while (this.bit() === 0) if (++zeros > MAX_ZEROS) throw new RangeError('A code is too long.');
    let value = 1;
    for (let i = 0; i < zeros; i++) value = value * 2 + this.bit();
    return value - 1;
  }
}
