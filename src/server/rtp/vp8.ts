import type { Size } from '../../frame/frame.js';
import { ByteBuffer } from './byte-buffer.js';
import type { Depacketizer, WholePicture } from './depacketizer.js';
import { modulo } from './unwrap.js';

/** The payload descriptor of RFC 7741, section 4.2. Fields that are not there are -1. */
export interface Vp8Descriptor {
  /** Bytes before the VP8 payload. */
  readonly bytes: number;
  /** Whether a frame begins: S is set and the partition is the first. */
  readonly start: boolean;
  /** N: no other frame refers to this one. */
  readonly nonReference: boolean;
  readonly pictureId: number;
  /** 7 or 15, or 0 without a picture id. */
  readonly pictureIdBits: number;
  /** Where the picture id and TL0PICIDX stand. */
  readonly pictureIdAt: number;
  readonly tl0PicIdx: number;
  readonly tl0PicIdxAt: number;
  /** TID, 0 to 3. */
  readonly temporalLayer: number;
  /** Y: refers to nothing but the base layer's frame with the same TL0PICIDX. */
  readonly layerSync: boolean;
}

/** Reads a payload's descriptor. `undefined` when it is cut off, or when no payload follows. */
export function readVp8Descriptor(payload: Uint8Array): Vp8Descriptor | undefined {
  const first = payload[0];
  if (first === undefined) return undefined;
  let at = 1;
  let pictureId = -1;
  let pictureIdBits = 0;
  let pictureIdAt = -1;
  let tl0PicIdx = -1;
  let tl0PicIdxAt = -1;
  let temporalLayer = -1;
  let layerSync = false;
  if (first & 0x80) {
    const extension = payload[at++] ?? 0;
    if (extension & 0x80) {
      pictureIdAt = at;
      const high = payload[at++] ?? 0;
      if (high & 0x80) {
        pictureIdBits = 15;
        pictureId = ((high & 0x7f) << 8) | (payload[at++] ?? 0);
      } else {
        pictureIdBits = 7;
        pictureId = high;
      }
    }
    if (extension & 0x40) {
      tl0PicIdxAt = at;
      tl0PicIdx = payload[at++] ?? 0;
    }
    if (extension & 0x30) {
      const layer = payload[at++] ?? 0;
      if (extension & 0x20) {
        temporalLayer = layer >> 6;
        layerSync = (layer & 0x20) !== 0;
      }
    }
  }
  if (at >= payload.length) return undefined;
  return {
    bytes: at,
    start: (first & 0x17) === 0x10,
    nonReference: (first & 0x20) !== 0,
    pictureId,
    pictureIdBits,
    pictureIdAt,
    tl0PicIdx,
    tl0PicIdxAt,
    temporalLayer,
    layerSync,
  };
}

/** Whether a keyframe begins at `at` (RFC 6386, section 9.1): the first bit clear, the start code, a size. */
export function isVp8Keyframe(data: Uint8Array, at = 0): boolean {
  return vp8KeyframeSize(data, at) !== undefined;
}

/** A keyframe's size, from its header. `undefined` for anything else. */
export function vp8KeyframeSize(data: Uint8Array, at = 0): Size | undefined {
  if (data.length < at + 10 || ((data[at] ?? 1) & 1) !== 0) return undefined;
  if (data[at + 3] !== 0x9d || data[at + 4] !== 0x01 || data[at + 5] !== 0x2a) return undefined;
  const width = ((data[at + 6] ?? 0) | ((data[at + 7] ?? 0) << 8)) & 0x3fff;
  const height = ((data[at + 8] ?? 0) | ((data[at + 9] ?? 0) << 8)) & 0x3fff;
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/** Whether a frame that is a keyframe begins with this payload. */
export function startsVp8Keyframe(payload: Uint8Array): boolean {
  const descriptor = readVp8Descriptor(payload);
  return descriptor?.start === true && isVp8Keyframe(payload, descriptor.bytes);
}

/** With 7-bit picture ids, more packets missing than this could be a whole cycle of pictures. */
const MOST_MISSING = { 7: 100, 15: 30_000 } as const;

/**
 * VP8 frames from RTP payloads. After a gap a frame is taken only where it is certain that all it refers to is there:
 *
 * - its picture id follows the last one's, so nothing but padding or frames that nobody refers to was lost; or
 * - it is of the base layer and its TL0PICIDX follows the last one's (a layer refers to itself and to lower ones); or
 * - its Y bit says that it refers to the base layer's last frame only.
 *
 * After the second and third, other frames of higher layers are left out until a keyframe, which is asked for. In every
 * other case nothing is taken until a keyframe.
 */
export class Vp8Depacketizer implements Depacketizer {
  readonly #buffer: ByteBuffer;
  readonly #wanted: () => void;
  /** What is there to refer to: everything, the base layer, nothing. */
  #references: 'all' | 'base' | 'none' = 'none';
  /** Something may have been lost since the last frame that was taken. */
  #doubt = false;
  #missing = 0;
  #afterGap = false;
  #asked = false;
  /** Of the frame being collected. */
  #open: Vp8Descriptor | undefined;
  #key = false;
  /** Whether the rest of the picture is not wanted. */
  #skip = false;
  #lastPictureId = -1;
  #lastTl0PicIdx = -1;

  /**
   * @param maxBytes a larger picture is lost
   * @param wanted called when only a keyframe helps
   */
  constructor(maxBytes: number, wanted: () => void) {
    this.#buffer = new ByteBuffer(maxBytes);
    this.#wanted = wanted;
  }

  get waiting(): boolean {
    return this.#references === 'none';
  }

  startsKeyframe(payload: Uint8Array): boolean {
    return startsVp8Keyframe(payload);
  }

  add(payload: Uint8Array): boolean {
    if (this.#skip) return true;
    const descriptor = readVp8Descriptor(payload);
    if (descriptor && !descriptor.start && !this.#open && this.#afterGap) {
      // The rest of a picture whose beginning was lost.
      this.#skip = true;
      return true;
    }
    if (!descriptor || descriptor.start === (this.#open !== undefined)) return this.#lose();
    if (descriptor.start) {
      this.#afterGap = false;
      this.#key = ((payload[descriptor.bytes] ?? 1) & 1) === 0;
      if (this.#key && !isVp8Keyframe(payload, descriptor.bytes)) return this.#lose();
      this.#open = descriptor;
      if (!this.#key && !this.#decodable(descriptor)) this.#skip = true;
    }
    if (!this.#skip && !this.#buffer.append(payload, descriptor.bytes)) return this.#lose();
    return true;
  }

  finish(): WholePicture | undefined {
    const descriptor = this.#open;
    const key = this.#key;
    const data = this.#skip || !descriptor ? undefined : this.#buffer.copy();
    this.#clear();
    if (!data || !descriptor) return undefined;
    this.#lastPictureId = descriptor.pictureId;
    if (descriptor.temporalLayer <= 0) this.#lastTl0PicIdx = descriptor.tl0PicIdx;
    if (key) {
      this.#references = 'all';
      this.#doubt = false;
      this.#missing = 0;
      this.#asked = false;
    }
    return { data, key };
  }

  gap(packets: number): void {
    if (this.#open) this.#lose();
    this.#clear();
    this.#afterGap = true;
    this.#doubt = true;
    this.#missing += packets;
  }

  reset(): void {
    this.#clear();
    this.#afterGap = false;
    this.#references = 'none';
    this.#doubt = false;
    this.#missing = 0;
    this.#asked = false;
    this.#lastPictureId = -1;
    this.#lastTl0PicIdx = -1;
  }

  #clear(): void {
    this.#open = undefined;
    this.#key = false;
    this.#skip = false;
    this.#buffer.clear();
  }

  /** The picture cannot be put together: false. */
  #lose(): false {
    const lost = this.#open;
    // A frame that nobody refers to is not missed by the next one.
    if (lost?.nonReference && !this.#key && !this.#doubt && this.#follows(lost)) this.#lastPictureId = lost.pictureId;
    if (this.#key) this.#asked = false;
    this.#skip = true;
    this.#doubt = true;
    return false;
  }

  #follows({ pictureId, pictureIdBits }: Vp8Descriptor): boolean {
    return this.#lastPictureId >= 0 && pictureId === modulo(this.#lastPictureId + 1, 2 ** pictureIdBits);
  }

  /** Whether all that a frame may refer to is there. */
  #decodable(descriptor: Vp8Descriptor): boolean {
    if (this.#doubt && this.#references !== 'none') {
      const most = descriptor.pictureIdBits === 7 ? MOST_MISSING[7] : MOST_MISSING[15];
      if (this.#missing > most || !this.#follows(descriptor)) this.#loseReferences(descriptor);
      this.#doubt = false;
      this.#missing = 0;
    }
    if (this.#references === 'base' && !this.#onBase(descriptor)) {
      const { temporalLayer, tl0PicIdx } = descriptor;
      // One more frame of a higher layer that may refer to what was lost; or a base layer that has a gap too.
      if (temporalLayer <= 0 || tl0PicIdx !== this.#lastTl0PicIdx) this.#references = 'none';
      else return false;
    }
    if (this.#references === 'none') this.#ask();
    return this.#references !== 'none';
  }

  #loseReferences({ temporalLayer, tl0PicIdx }: Vp8Descriptor): void {
    const layered = temporalLayer >= 0 && tl0PicIdx >= 0 && this.#lastTl0PicIdx >= 0;
    this.#references = layered && this.#missing <= MOST_MISSING[7] ? 'base' : 'none';
    this.#asked = false;
    this.#ask();
  }

  #onBase({ temporalLayer, tl0PicIdx, layerSync }: Vp8Descriptor): boolean {
    if (temporalLayer === 0) return tl0PicIdx === modulo(this.#lastTl0PicIdx + 1, 256);
    return layerSync && tl0PicIdx === this.#lastTl0PicIdx;
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#wanted();
  }
}
