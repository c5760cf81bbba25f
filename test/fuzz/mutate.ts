import { type Foreign, foreign, mutateLines } from './mutate-lines.js';

/** Longest input that mutations make. */
const MOST_BYTES = 64 * 1024;
/** Numbers at which parsers go wrong, of one, two and four bytes. */
const BOUNDARIES = [
  [0],
  [1],
  [0x7f],
  [0x80],
  [0xff],
  [0, 0],
  [0, 1],
  [0x7f, 0xff],
  [0x80, 0],
  [0xff, 0xff],
  [0, 0, 0, 0],
  [0, 0, 0, 1],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff],
] as const;

/** Makes malformed inputs of good ones; the same ones for the same seed. */
export class Mutator {
  #state: number;
  readonly #foreign: readonly Foreign[];

  /** @param lines whether inputs are texts of lines */
  constructor(
    readonly seeds: readonly Uint8Array[],
    seed: number,
    readonly lines = false,
  ) {
    this.#state = seed >>> 0;
    this.#foreign = lines ? seeds.map((text) => foreign(latin1(text))) : [];
  }

  /** The next input: a seed after one to eight mutations, or now and then noise. */
  next(): Uint8Array {
    if (this.seeds.length === 0 || this.#below(50) === 0) return this.#noise(this.#below(256));
    let bytes: Uint8Array = this.#seed().slice();
    if (this.lines && this.#below(4) > 0) bytes = this.#mutatedLines(bytes, 1 + this.#below(6));
    else for (let left = 1 + this.#below(8); left > 0; left--) bytes = this.#mutated(bytes);
    // Now and then both.
    if (this.lines && this.#below(4) === 0) bytes = this.#mutated(bytes);
    return bytes.length > MOST_BYTES ? bytes.slice(0, MOST_BYTES) : bytes;
  }

  #mutated(bytes: Uint8Array): Uint8Array {
    const at = this.#below(bytes.length + 1);
    const to = at + this.#below(Math.min(64, bytes.length - at) + 1);
    switch (this.#below(9)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << this.#below(8));
        return bytes;
      case 1:
        if (at < bytes.length) bytes[at] = this.#below(256);
        return bytes;
      case 2:
        return bytes.slice(0, at);
      case 3:
        return joined(bytes.subarray(0, at), bytes.subarray(to));
      case 4:
        return joined(bytes.subarray(0, to), bytes.subarray(at));
      case 5: {
        const other = this.#seed();
        return joined(bytes.subarray(0, at), other.subarray(this.#below(other.length + 1)));
      }
      case 6: {
        const number = this.#boundary();
        bytes.set(number.slice(0, bytes.length - at), at);
        return bytes;
      }
      case 7:
        return joined(bytes.subarray(0, at), this.#boundary(), bytes.subarray(at));
      default:
        return joined(bytes.subarray(0, at), this.#noise(1 + this.#below(8)), bytes.subarray(at));
    }
  }

  #mutatedLines(bytes: Uint8Array, times: number): Uint8Array {
    const lines = latin1(bytes).split('\n');
    for (let left = times; left > 0; left--) {
      const other = this.#foreign[this.#below(this.#foreign.length)];
      if (other) mutateLines(lines, other, (limit) => this.#below(limit));
    }
    return new Uint8Array(Buffer.from(lines.join('\n'), 'latin1'));
  }

  #seed(): Uint8Array {
    return this.seeds[this.#below(this.seeds.length)] as Uint8Array;
  }

  #boundary(): Uint8Array {
    return Uint8Array.from(BOUNDARIES[this.#below(BOUNDARIES.length)] ?? []);
  }

  #noise(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#below(256));
  }

  /** A whole number below `limit` (xorshift of mulberry32). */
  #below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
