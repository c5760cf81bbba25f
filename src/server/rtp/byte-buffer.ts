const FIRST_BYTES = 16 * 1024;

/** Bytes that are put together piece by piece, in memory that is used again. */
export class ByteBuffer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #length = 0;

  /** @param maxBytes it never holds more */
  constructor(readonly maxBytes: number) {}

  get length(): number {
    return this.#length;
  }

  /** Adds the bytes from `start` on. @returns whether there was room */
  append(bytes: Uint8Array, start = 0): boolean {
    const added = bytes.length - start;
    if (this.#length + added > this.maxBytes) return false;
    this.#reserve(this.#length + added);
    this.#bytes.set(start === 0 ? bytes : bytes.subarray(start), this.#length);
    this.#length += added;
    return true;
  }

  /** Adds one byte. @returns whether there was room */
  appendByte(byte: number): boolean {
    if (this.#length + 1 > this.maxBytes) return false;
    this.#reserve(this.#length + 1);
    this.#bytes[this.#length++] = byte;
    return true;
  }

  /** Puts bytes in at `at`. @returns whether there was room */
  insert(bytes: Uint8Array, at: number): boolean {
    const end = this.#length;
    if (!this.append(bytes)) return false;
    this.#bytes.copyWithin(at + bytes.length, at, end);
    this.#bytes.set(bytes, at);
    return true;
  }

  /** A view of what is in it, good until the next change. */
  view(start = 0): Uint8Array {
    return this.#bytes.subarray(start, this.#length);
  }

  /** A copy of what is in it. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(FIRST_BYTES, bytes, Math.min(this.maxBytes, this.#bytes.length * 2)));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
