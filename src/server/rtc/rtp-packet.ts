/** An RTP packet (RFC 3550, section 5.1), as far as a server needs it. Views of the datagram, nothing is copied. */
export interface RtpPacket {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** Header extensions, in the form of RFC 8285, undecoded; empty when there are none. */
  readonly extensions: Buffer;
  readonly extensionProfile: number;
  /** Without padding. Empty for packets that are nothing but padding. */
  readonly payload: Buffer;
}

const HEADER_BYTES = 12;
/** Browsers send fewer than a hundred. */
const MAX_EXTENSION_BYTES = 1024;
const ONE_BYTE_PROFILE = 0xbede;
const NOTHING = Buffer.alloc(0);

/**
 * Reads how long a packet's header is, with its contributing sources and its extensions: what SRTP leaves in clear.
 * @returns `undefined` where the header does not fit, or has more extensions than anybody sends
 */
export function rtpHeaderBytes(data: Buffer): number | undefined {
  if (data.length < HEADER_BYTES) return undefined;
  const first = data.readUInt8(0);
  if (first >> 6 !== 2) return undefined;
  const fixed = HEADER_BYTES + (first & 0x0f) * 4;
  if (!(first & 0x10)) return fixed <= data.length ? fixed : undefined;
  if (fixed + 4 > data.length) return undefined;
  const extensionBytes = data.readUInt16BE(fixed + 2) * 4;
  const whole = fixed + 4 + extensionBytes;
  return extensionBytes <= MAX_EXTENSION_BYTES && whole <= data.length ? whole : undefined;
}

/**
 * Reads a packet.
 * @returns `undefined` for what is no well-formed RTP packet
 */
export function readRtp(data: Buffer): RtpPacket | undefined {
  const at = rtpHeaderBytes(data);
  if (at === undefined) return undefined;
  const first = data.readUInt8(0);
  let extensions: Buffer = NOTHING;
  let extensionProfile = 0;
  if (first & 0x10) {
    const from = HEADER_BYTES + (first & 0x0f) * 4;
    extensionProfile = data.readUInt16BE(from);
    extensions = data.subarray(from + 4, at);
  }
  let end = data.length;
  if (first & 0x20) {
    const padding = data.readUInt8(end - 1);
    if (padding === 0) return undefined;
    end -= padding;
  }
  if (at > end) return undefined;
  const second = data.readUInt8(1);
  return {
    payloadType: second & 0x7f,
    marker: (second & 0x80) !== 0,
    sequenceNumber: data.readUInt16BE(2),
    timestamp: data.readUInt32BE(4),
    ssrc: data.readUInt32BE(8),
    extensions,
    extensionProfile,
    payload: data.subarray(at, end),
  };
}

/** The value of a header extension in the one-byte form (RFC 8285, section 4.2), as text. */
export function extensionText(packet: RtpPacket, id: number): string | undefined {
  if (packet.extensionProfile !== ONE_BYTE_PROFILE) return undefined;
  const { extensions } = packet;
  let at = 0;
  while (at < extensions.length) {
    const byte = extensions.readUInt8(at);
    if (byte === 0) {
      at++;
      continue;
    }
    const [found, length] = [byte >> 4, (byte & 0x0f) + 1];
    if (found === 15 || at + 1 + length > extensions.length) return undefined;
    if (found === id) return extensions.toString('latin1', at + 1, at + 1 + length);
    at += 1 + length;
  }
  return undefined;
}

/** The header of packets that are sent on one SSRC: written anew for each. */
export class RtpHeaderWriter {
  readonly ssrc: number;
  readonly serializeSize: number;
  sequenceNumber = 0;
  readonly #buffer: Buffer;
  readonly #absSendTime: boolean;

  /** @param absSendTimeId of the header extension, when the receiver estimates the bitrate with it */
  constructor(ssrc: number, absSendTimeId: number | undefined) {
    this.ssrc = ssrc;
    this.#absSendTime = absSendTimeId !== undefined;
    this.serializeSize = HEADER_BYTES + (absSendTimeId === undefined ? 0 : 8);
    this.#buffer = Buffer.alloc(this.serializeSize);
    this.#buffer.writeUInt8(absSendTimeId === undefined ? 0x80 : 0x90, 0);
    this.#buffer.writeUInt32BE(ssrc, 8);
    if (absSendTimeId !== undefined) {
      this.#buffer.writeUInt16BE(ONE_BYTE_PROFILE, 12);
      this.#buffer.writeUInt16BE(1, 14);
      this.#buffer.writeUInt8((absSendTimeId << 4) | 2, 16);
    }
  }

  /** @param nowMs any clock; what counts are differences */
  write(payloadType: number, marker: boolean, sequenceNumber: number, timestamp: number, nowMs: number): this {
    this.sequenceNumber = sequenceNumber;
    this.#buffer.writeUInt8(payloadType | (marker ? 0x80 : 0), 1);
    this.#buffer.writeUInt16BE(sequenceNumber, 2);
    this.#buffer.writeUInt32BE(timestamp, 4);
    // Seconds with 18 bits of fraction, 24 bits in all.
    if (this.#absSendTime) this.#buffer.writeUIntBE(Math.floor((nowMs % 64_000) * 262.144) & 0xffffff, 17, 3);
    return this;
  }

  /** For werift's SRTP. It copies what it gets. */
  serialize(): Buffer {
    return this.#buffer;
  }
}
