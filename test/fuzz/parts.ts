/** Header of a part inside an input: two bytes of flags, length. */
const HEADER_BYTES = 4;
/** More than any seed has; what a target does is bounded by it. */
const MOST_PARTS = 100;

/** Something that happens, with what a peer sent. */
export interface Part {
  /** Two bytes that say what happens, and when. */
  readonly flags: number;
  readonly step: number;
  readonly data: Buffer;
}

/** Reads an input as several parts. Any input is one. */
export function* partsOf(input: Uint8Array): Generator<Part> {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  let at = 0;
  for (let n = 0; n < MOST_PARTS && at + HEADER_BYTES <= bytes.length; n++) {
    const [flags, step, length] = [bytes.readUInt8(at), bytes.readUInt8(at + 1), bytes.readUInt16BE(at + 2)];
    at += HEADER_BYTES;
    yield { flags, step, data: bytes.subarray(at, Math.min(bytes.length, at + length)) };
    at += length;
  }
}

/** An input of parts. */
export function inputOf(parts: readonly Part[]): Uint8Array {
  const pieces = parts.flatMap(({ flags, step, data }) => {
    const header = Buffer.from([flags, step, 0, 0]);
    header.writeUInt16BE(data.length, 2);
    return [header, data];
  });
  return new Uint8Array(Buffer.concat(pieces));
}
