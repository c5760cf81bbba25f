import type { Size } from '../../frame/frame.js';

/** Bytes of a NAL unit that are looked at: a sequence parameter set with all its scaling lists, and more, fits in. */
const MOST_BYTES = 1024;
/** Level 6.2 allows no longer side than 16,880. */
const MOST_SIDE = 16_880;
/** Profiles whose sets tell of chroma and scaling lists (H.264, 7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/** Reads bits of a NAL unit, past the bytes that prevent emulation. Beyond the end there are zeros, and `over` is set. */
class BitReader {
  #at = 1;
  #bit = 0;
  #zeros = 0;
  over = false;

  constructor(readonly nal: Uint8Array) {}

  bit(): number {
    if (this.#bit === 0) this.#skipPrevention();
    const byte = this.#at < MOST_BYTES ? this.nal[this.#at] : undefined;
    if (byte === undefined) {
      this.over = true;
      return 0;
    }
    const bit = (byte >> (7 - this.#bit)) & 1;
    if (++this.#bit === 8) {
      this.#zeros = byte === 0 ? this.#zeros + 1 : 0;
      this.#bit = 0;
      this.#at++;
    }
    return bit;
  }

  bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = value * 2 + this.bit();
    return value;
  }

  /** ue(v): an Exp-Golomb number. */
  unsigned(): number {
    let zeros = 0;
    while (this.bit() === 0) {
      if (this.over || ++zeros > 32) {
        this.over = true;
        return 0;
      }
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** se(v) */
  signed(): number {
    const code = this.unsigned();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }

  #skipPrevention(): void {
    if (this.#zeros < 2 || this.nal[this.#at] !== 3) return;
    this.#at++;
    this.#zeros = 0;
  }
}

/** What is read of a sequence parameter set. */
export interface SequenceParameters extends Size {
  readonly id: number;
}

/** Reads a sequence parameter set, with its NAL header (H.264, 7.3.2.1.1). `undefined` when it makes no sense. */
export function readSps(nal: Uint8Array): SequenceParameters | undefined {
  const bits = new BitReader(nal);
  const profile = bits.bits(8);
  bits.bits(16);
  const id = bits.unsigned();
  let chroma = 1;
  if (HIGH_PROFILES.has(profile)) {
    chroma = bits.unsigned();
    if (chroma === 3 && bits.bit() === 1) chroma = 0;
    bits.unsigned();
    bits.unsigned();
    bits.bit();
    if (bits.bit() === 1) skipScalingLists(bits, chroma === 3 ? 12 : 8);
  }
  bits.unsigned();
  skipPictureOrder(bits);
  bits.unsigned();
  bits.bit();
  const across = bits.unsigned() + 1;
  const down = bits.unsigned() + 1;
  const frames = bits.bit();
  if (frames === 0) bits.bit();
  bits.bit();
  // Crop units, H.264, 7-19 to 7-22.
  const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
  const unitY = (chroma === 1 ? 2 : 1) * (2 - frames);
  let width = across * 16;
  let height = down * 16 * (2 - frames);
  if (bits.bit() === 1) {
    width -= unitX * (bits.unsigned() + bits.unsigned());
    height -= unitY * (bits.unsigned() + bits.unsigned());
  }
  const wrong = bits.over || id > 31 || chroma > 3;
  if (wrong || !(width > 0 && width <= MOST_SIDE) || !(height > 0 && height <= MOST_SIDE)) return undefined;
  return { id, width, height };
}

/** The ids of a picture parameter set and of the sequence parameter set it belongs to (H.264, 7.3.2.2). */
export function readPps(nal: Uint8Array): { id: number; spsId: number } | undefined {
  const bits = new BitReader(nal);
  const id = bits.unsigned();
  const spsId = bits.unsigned();
  return bits.over || id > 255 || spsId > 31 ? undefined : { id, spsId };
}

/** The picture parameter set that a slice refers to (H.264, 7.3.3). */
export function readSlicePpsId(nal: Uint8Array): number | undefined {
  const bits = new BitReader(nal);
  bits.unsigned();
  bits.unsigned();
  const id = bits.unsigned();
  return bits.over || id > 255 ? undefined : id;
}

function skipScalingLists(bits: BitReader, lists: number): void {
  for (let list = 0; list < lists && !bits.over; list++) {
    if (bits.bit() === 0) continue;
    const size = list < 6 ? 16 : 64;
    let last = 8;
    for (let i = 0; i < size && !bits.over; i++) {
      const next = (last + bits.signed() + 256) % 256;
      if (next === 0) break;
      last = next;
    }
  }
}

function skipPictureOrder(bits: BitReader): void {
  const type = bits.unsigned();
  if (type === 0) bits.unsigned();
  if (type !== 1) return;
  bits.bit();
  bits.signed();
  bits.signed();
  const cycle = bits.unsigned();
  for (let i = 0; i < cycle && !bits.over; i++) bits.signed();
}
