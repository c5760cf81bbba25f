import { modulo, unwrapNear } from './unwrap.js';
import { readVp8Descriptor } from './vp8.js';

/** Keeps picture ids and TL0PICIDX of one outgoing VP8 stream going on, whatever source its pictures come from. */
export class Vp8Numbers {
  #pictureId: number;
  #tl0PicIdx: number;
  /** Of the source being forwarded: the last id, unwrapped, its bits, and what is added to it. */
  #sourceId = 0;
  #sourceBits = 0;
  #idOffset = 0;
  #tl0Offset = 0;

  /** @param pictureId what the first picture gets, 15 bits; a TL0PICIDX begins with its low bits */
  constructor(pictureId: number) {
    this.#pictureId = pictureId - 1;
    this.#tl0PicIdx = (pictureId - 1) & 0xff;
  }

  /** The id for a picture of our own. */
  nextPictureId(): number {
    this.#pictureId = modulo(this.#pictureId + 1, 2 ** 15);
    return this.#pictureId;
  }

  /** Forwarding begins with this payload, the first one of a keyframe. */
  begin(payload: Uint8Array): void {
    this.#sourceBits = 0;
    const descriptor = readVp8Descriptor(payload);
    if (descriptor && descriptor.tl0PicIdx >= 0) this.#tl0Offset = this.#tl0PicIdx + 1 - descriptor.tl0PicIdx;
  }

  /**
   * A payload with the stream's numbers; the same one where nothing changes. 7-bit ids become 15-bit ones.
   * @param newest whether no later packet came before
   */
  rewrite(payload: Uint8Array, newest: boolean): Uint8Array {
    const descriptor = readVp8Descriptor(payload);
    if (!descriptor) return payload;
    const { pictureIdAt, pictureIdBits, tl0PicIdxAt } = descriptor;
    const grows = pictureIdBits === 7 ? 1 : 0;
    const pictureId = pictureIdBits > 0 ? this.#idOf(descriptor.pictureId, pictureIdBits, newest) : -1;
    const tl0PicIdx = tl0PicIdxAt >= 0 ? modulo(descriptor.tl0PicIdx + this.#tl0Offset, 256) : -1;
    if (newest && tl0PicIdx >= 0) this.#tl0PicIdx = tl0PicIdx;
    if (grows === 0 && pictureId === descriptor.pictureId && tl0PicIdx === descriptor.tl0PicIdx) return payload;
    // Out of the pool: every byte is written, and memory of its own costs more than the copy.
    const rewritten = Buffer.allocUnsafe(payload.length + grows);
    if (grows === 0) rewritten.set(payload);
    else {
      rewritten.set(payload.subarray(0, pictureIdAt + 1));
      rewritten.set(payload.subarray(pictureIdAt + 1), pictureIdAt + 2);
    }
    if (pictureId >= 0) {
      rewritten[pictureIdAt] = 0x80 | (pictureId >> 8);
      rewritten[pictureIdAt + 1] = pictureId & 0xff;
    }
    if (tl0PicIdx >= 0) rewritten[tl0PicIdxAt + grows] = tl0PicIdx;
    return rewritten;
  }

  #idOf(sourceId: number, bits: number, newest: boolean): number {
    if (bits !== this.#sourceBits) {
      this.#sourceBits = bits;
      this.#sourceId = sourceId;
      this.#idOffset = this.#pictureId + 1 - sourceId;
    }
    const unwrapped = unwrapNear(sourceId, this.#sourceId, bits);
    const pictureId = modulo(unwrapped + this.#idOffset, 2 ** 15);
    if (newest) {
      this.#sourceId = unwrapped;
      this.#pictureId = pictureId;
    }
    return pictureId;
  }
}
