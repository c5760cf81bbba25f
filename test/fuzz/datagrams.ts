import { createHmac } from 'node:crypto';

const MAGIC_COOKIE = 0x2112a442;
const MESSAGE_INTEGRITY = 0x0008;
const INTEGRITY_BYTES = 20;

/** STUN types (RFC 8489, section 5). */
export const STUN = { request: 0x0001, response: 0x0101, error: 0x0111, username: 0x0006 } as const;

/** One attribute, padded. */
export function attribute(type: number, value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const whole = Buffer.alloc((4 + bytes.length + 3) & ~3);
  whole.writeUInt16BE(type, 0);
  whole.writeUInt16BE(bytes.length, 2);
  bytes.copy(whole, 4);
  return whole;
}

/** A STUN message, with its integrity where there is a password. */
export function stun(type: number, attributes: Buffer, password?: string, transaction = 'transaction!'): Buffer {
  const integrityBytes = password === undefined ? 0 : 4 + INTEGRITY_BYTES;
  const head = Buffer.alloc(20);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE((attributes.length + integrityBytes) & 0xffff, 2);
  head.writeUInt32BE(MAGIC_COOKIE, 4);
  head.write(transaction, 8, 12, 'latin1');
  const message = Buffer.concat([head, attributes]);
  if (password === undefined) return message;
  const integrity = createHmac('sha1', password).update(message).digest();
  return Buffer.concat([message, attribute(MESSAGE_INTEGRITY, integrity)]);
}

/** The check of a peer, as browsers send it. */
export function check(local: string, remote: string, password: string, transaction?: string): Buffer {
  const attributes = Buffer.concat([
    attribute(STUN.username, `${local}:${remote}`),
    attribute(0x802a, Buffer.alloc(8, 7)),
    attribute(0x0025, ''),
    attribute(0x0024, Buffer.from([0x6e, 0, 1, 0xff])),
  ]);
  return stun(STUN.request, attributes, password, transaction);
}

/** A record of DTLS 1.2 (RFC 6347, section 4.1). */
export function dtlsRecord(type: number, epoch: number, fragment: Buffer, sequence = 0): Buffer {
  const head = Buffer.from([type, 0xfe, 0xfd, epoch >> 8, epoch & 0xff, 0, 0, 0, 0, 0, sequence, 0, 0]);
  head.writeUInt16BE(fragment.length, 11);
  return Buffer.concat([head, fragment]);
}

/** The numbers of an RTP packet. */
export interface RtpFields {
  readonly payloadType: number;
  readonly marker?: boolean;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** Header extensions in the one-byte form. */
  readonly extensions?: readonly (readonly [id: number, value: string])[];
  readonly padding?: number;
  readonly payload?: Uint8Array;
}

/** An RTP packet (RFC 3550, RFC 8285). */
export function rtp(fields: RtpFields): Buffer {
  const { payloadType, marker = false, sequenceNumber, timestamp, ssrc } = fields;
  const { extensions = [], padding = 0, payload = new Uint8Array(0) } = fields;
  const head = Buffer.alloc(12);
  head.writeUInt8(0x80 | (extensions.length > 0 ? 0x10 : 0) | (padding > 0 ? 0x20 : 0), 0);
  head.writeUInt8(payloadType | (marker ? 0x80 : 0), 1);
  head.writeUInt16BE(sequenceNumber & 0xffff, 2);
  head.writeUInt32BE(timestamp >>> 0, 4);
  head.writeUInt32BE(ssrc, 8);
  const elements = Buffer.concat(
    extensions.map(([id, value]) => Buffer.concat([Buffer.from([(id << 4) | (value.length - 1)]), Buffer.from(value)])),
  );
  const words = Math.ceil(elements.length / 4);
  const block = Buffer.alloc(extensions.length > 0 ? 4 + words * 4 : 0);
  if (extensions.length > 0) {
    block.writeUInt16BE(0xbede, 0);
    block.writeUInt16BE(words, 2);
    elements.copy(block, 4);
  }
  const tail = Buffer.alloc(padding);
  if (padding > 0) tail.writeUInt8(padding, padding - 1);
  return Buffer.concat([head, block, payload, tail]);
}
