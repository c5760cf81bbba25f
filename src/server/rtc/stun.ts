import { createHmac, timingSafeEqual } from 'node:crypto';

/** The kinds of STUN messages that matter to ICE (RFC 8489, section 5). */
export type StunKind = 'request' | 'response' | 'error' | 'other';

/** What is looked at before a message is believed. */
export interface StunMessage {
  readonly kind: StunKind;
  /** `receiver:sender`, the two ICE user fragments. */
  readonly username: string | undefined;
  /** Of an error response, else 0. */
  readonly errorCode: number;
  /** Where the MESSAGE-INTEGRITY attribute begins, or -1. */
  readonly integrityAt: number;
}

const HEADER_BYTES = 20;
const MAGIC_COOKIE = 0x2112a442;
const BINDING_METHOD = 0x001;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const ERROR_CODE = 0x0009;
const INTEGRITY_BYTES = 20;
/** No ICE agent sends more. */
const MAX_ATTRIBUTES = 32;
/** RFC 8489 allows 513 bytes, RFC 8445 two fragments of 256 with a colon. */
const MAX_USERNAME_BYTES = 513;

/**
 * Reads what decides about a STUN message. Lengths are checked, nothing is believed yet.
 * @returns `undefined` for what is no well-formed Binding message
 */
export function readStun(data: Buffer): StunMessage | undefined {
  if (data.length < HEADER_BYTES || data.length % 4 !== 0) return undefined;
  const type = data.readUInt16BE(0);
  if (type & 0xc000 || data.readUInt32BE(4) !== MAGIC_COOKIE) return undefined;
  if (data.readUInt16BE(2) !== data.length - HEADER_BYTES) return undefined;
  if ((type & 0x3eef) !== BINDING_METHOD) return undefined;
  let username: string | undefined;
  let errorCode = 0;
  let integrityAt = -1;
  let at = HEADER_BYTES;
  for (let count = 0; at < data.length; count++) {
    if (count === MAX_ATTRIBUTES || at + 4 > data.length) return undefined;
    const attribute = data.readUInt16BE(at);
    const length = data.readUInt16BE(at + 2);
    const value = at + 4;
    if (value + length > data.length) return undefined;
    // What comes after the integrity is not covered by it, so it is not read.
    if (integrityAt < 0) {
      if (attribute === USERNAME) {
        if (length > MAX_USERNAME_BYTES) return undefined;
        username = data.toString('utf8', value, value + length);
      } else if (attribute === ERROR_CODE) {
        if (length < 4) return undefined;
        errorCode = data.readUInt8(value + 2) * 100 + data.readUInt8(value + 3);
      } else if (attribute === MESSAGE_INTEGRITY) {
        if (length !== INTEGRITY_BYTES) return undefined;
        integrityAt = at;
      }
    }
    at = value + ((length + 3) & ~3);
  }
  if (at !== data.length) return undefined;
  return { kind: kindOf(type), username, errorCode, integrityAt };
}

function kindOf(type: number): StunKind {
  switch (type & 0x0110) {
    case 0x0000:
      return 'request';
    case 0x0100:
      return 'response';
    case 0x0110:
      return 'error';
    default:
      return 'other';
  }
}

/** Whether a message that was read from `data` was made by somebody who knows the password (RFC 8489, section 14.5). */
export function isAuthentic(data: Buffer, message: StunMessage, password: string): boolean {
  const at = message.integrityAt;
  if (at < 0) return false;
  // The length counts as if the message ended with its integrity.
  const head = Buffer.from(data.subarray(0, at));
  head.writeUInt16BE(at + 4 + INTEGRITY_BYTES - HEADER_BYTES, 2);
  const expected = createHmac('sha1', password).update(head).digest();
  return timingSafeEqual(expected, data.subarray(at + 4, at + 4 + INTEGRITY_BYTES));
}
