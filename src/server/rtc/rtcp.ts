import type { ReceptionReport } from './reception.js';

/** Something a peer says by RTCP that a server reacts to. */
export type RtcpMessage =
  | {
      readonly type: 'sender-report';
      readonly ssrc: number;
      readonly ntpTimestamp: bigint;
      readonly rtpTimestamp: number;
    }
  | { readonly type: 'report'; readonly source: number; readonly report: ReceptionReport }
  | { readonly type: 'nack'; readonly source: number; readonly lost: readonly number[] }
  /** PLI and FIR. */
  | { readonly type: 'keyframe'; readonly source: number }
  | { readonly type: 'max-bitrate'; readonly bitrate: number; readonly sources: readonly number[] }
  | { readonly type: 'bye'; readonly sources: readonly number[] };

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const GOODBYE = 203;
const TRANSPORT_FEEDBACK = 205;
const PAYLOAD_FEEDBACK = 206;
const GENERIC_NACK = 1;
const PICTURE_LOSS = 1;
const FULL_INTRA = 4;
const APPLICATION_LAYER = 15;
const REMB = 0x52454d42;
const REPORT_BYTES = 24;
const CNAME = 1;
const MAX_REMB_MANTISSA = 2 ** 18 - 1;
/** RFC 3550 has room for 31. */
const MAX_REPORTS = 31;
/** No compound packet has more. */
const MAX_PACKETS = 32;
/** Sequence numbers of one message that are heeded. */
const MAX_NACKS = 512;

/**
 * Reads a compound packet (RFC 3550, section 6; RFC 4585). werift's reader takes what follows a packet for part of it, so
 * that a NACK before something else asks for packets that nobody lost.
 * @returns what was understood before the first thing that is malformed
 */
export function readRtcp(data: Buffer): RtcpMessage[] {
  const messages: RtcpMessage[] = [];
  let at = 0;
  for (let packets = 0; at + 4 <= data.length && packets < MAX_PACKETS; packets++) {
    const first = data.readUInt8(at);
    const end = at + 4 + data.readUInt16BE(at + 2) * 4;
    if (first >> 6 !== 2 || end > data.length) break;
    const padding = first & 0x20 ? data.readUInt8(end - 1) : 0;
    if (end - padding < at + 4) break;
    readPacket(data.readUInt8(at + 1), first & 0x1f, data.subarray(at + 4, end - padding), messages);
    at = end;
  }
  return messages;
}

function readPacket(type: number, count: number, body: Buffer, messages: RtcpMessage[]): void {
  if (type === SENDER_REPORT && body.length >= 24) {
    const ntpTimestamp = body.readBigUInt64BE(4);
    messages.push({
      type: 'sender-report',
      ssrc: body.readUInt32BE(0),
      ntpTimestamp,
      rtpTimestamp: body.readUInt32BE(12),
    });
    readReports(body.subarray(24), count, messages);
  } else if (type === RECEIVER_REPORT && body.length >= 4) {
    readReports(body.subarray(4), count, messages);
  } else if (type === GOODBYE && body.length >= count * 4) {
    messages.push({ type: 'bye', sources: Array.from({ length: count }, (_, index) => body.readUInt32BE(index * 4)) });
  } else if (type === TRANSPORT_FEEDBACK && count === GENERIC_NACK && body.length >= 8) {
    messages.push({ type: 'nack', source: body.readUInt32BE(4), lost: readNack(body.subarray(8)) });
  } else if (type === PAYLOAD_FEEDBACK && body.length >= 8) {
    readPayloadFeedback(count, body, messages);
  }
}

function readReports(body: Buffer, count: number, messages: RtcpMessage[]): void {
  for (let index = 0; index < count && (index + 1) * REPORT_BYTES <= body.length; index++) {
    const at = index * REPORT_BYTES;
    messages.push({
      type: 'report',
      source: body.readUInt32BE(at),
      report: {
        fractionLost: body.readUInt8(at + 4),
        packetsLost: body.readIntBE(at + 5, 3),
        highestSequence: body.readUInt32BE(at + 8),
        jitter: body.readUInt32BE(at + 12),
        lsr: body.readUInt32BE(at + 16),
        dlsr: body.readUInt32BE(at + 20),
      },
    });
  }
}

function readNack(body: Buffer): number[] {
  const lost: number[] = [];
  for (let at = 0; at + 4 <= body.length && lost.length < MAX_NACKS; at += 4) {
    const first = body.readUInt16BE(at);
    const mask = body.readUInt16BE(at + 2);
    lost.push(first);
    for (let bit = 0; bit < 16; bit++) if ((mask >> bit) & 1) lost.push((first + bit + 1) & 0xffff);
  }
  return lost.slice(0, MAX_NACKS);
}

function readPayloadFeedback(format: number, body: Buffer, messages: RtcpMessage[]): void {
  if (format === PICTURE_LOSS) {
    messages.push({ type: 'keyframe', source: body.readUInt32BE(4) });
  } else if (format === FULL_INTRA) {
    // The source stands in the entries (RFC 5104, section 4.3.1).
    for (let at = 8; at + 8 <= body.length; at += 8) messages.push({ type: 'keyframe', source: body.readUInt32BE(at) });
  } else if (format === APPLICATION_LAYER && body.length >= 16 && body.readUInt32BE(8) === REMB) {
    const count = body.readUInt8(12);
    const exponent = body.readUInt8(13) >> 2;
    const mantissa = body.readUIntBE(13, 3) & MAX_REMB_MANTISSA;
    const sources: number[] = [];
    for (let at = 16; at + 4 <= body.length && sources.length < count; at += 4) sources.push(body.readUInt32BE(at));
    messages.push({ type: 'max-bitrate', bitrate: mantissa * 2 ** exponent, sources });
  }
}

function packet(count: number, type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt8(0x80 | count, 0);
  head.writeUInt8(type, 1);
  head.writeUInt16BE(body.length / 4, 2);
  return Buffer.concat([head, body]);
}

/** A receiver report. */
export function receiverReport(ssrc: number, reports: ReadonlyMap<number, ReceptionReport>): Buffer {
  const blocks = [...reports].slice(0, MAX_REPORTS);
  const body = Buffer.alloc(4 + blocks.length * REPORT_BYTES);
  body.writeUInt32BE(ssrc, 0);
  blocks.forEach(([source, report], index) => {
    const at = 4 + index * REPORT_BYTES;
    body.writeUInt32BE(source, at);
    body.writeUInt8(report.fractionLost, at + 4);
    body.writeIntBE(report.packetsLost, at + 5, 3);
    body.writeUInt32BE(report.highestSequence, at + 8);
    body.writeUInt32BE(report.jitter, at + 12);
    body.writeUInt32BE(report.lsr, at + 16);
    body.writeUInt32BE(report.dlsr, at + 20);
  });
  return packet(blocks.length, RECEIVER_REPORT, body);
}

/** A sender report. */
export function senderReport(
  ssrc: number,
  info: { ntpTimestamp: bigint; rtpTimestamp: number; packetCount: number; octetCount: number },
): Buffer {
  const body = Buffer.alloc(24);
  body.writeUInt32BE(ssrc, 0);
  body.writeBigUInt64BE(info.ntpTimestamp, 4);
  body.writeUInt32BE(info.rtpTimestamp, 12);
  body.writeUInt32BE(info.packetCount % 2 ** 32, 16);
  body.writeUInt32BE(info.octetCount % 2 ** 32, 20);
  return packet(0, SENDER_REPORT, body);
}

/** The name that says which SSRCs belong together. */
export function sourceDescription(ssrc: number, cname: string): Buffer {
  const text = Buffer.from(cname, 'latin1').subarray(0, 255);
  // At least one zero ends the items.
  const body = Buffer.alloc((4 + 2 + text.length + 4) & ~3);
  body.writeUInt32BE(ssrc, 0);
  body.writeUInt8(CNAME, 4);
  body.writeUInt8(text.length, 5);
  text.copy(body, 6);
  return packet(1, SOURCE_DESCRIPTION, body);
}

/** The end of a source. */
export function goodbye(ssrc: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(ssrc, 0);
  return packet(1, GOODBYE, body);
}

/** Asks for packets once more (RFC 4585, section 6.2.1). `lost` in the order of their numbers. */
export function nack(senderSsrc: number, source: number, lost: readonly number[]): Buffer {
  const entries: { first: number; mask: number }[] = [];
  for (const sequenceNumber of lost.slice(0, MAX_NACKS)) {
    const last = entries.at(-1);
    const after = last ? (sequenceNumber - last.first) & 0xffff : 0;
    if (last && after >= 1 && after <= 16) last.mask |= 1 << (after - 1);
    else entries.push({ first: sequenceNumber, mask: 0 });
  }
  const body = Buffer.alloc(8 + entries.length * 4);
  body.writeUInt32BE(senderSsrc, 0);
  body.writeUInt32BE(source, 4);
  entries.forEach(({ first, mask }, index) => {
    body.writeUInt16BE(first, 8 + index * 4);
    body.writeUInt16BE(mask, 10 + index * 4);
  });
  return packet(GENERIC_NACK, TRANSPORT_FEEDBACK, body);
}

/** Asks for a keyframe (RFC 4585, section 6.3.1). */
export function pictureLoss(senderSsrc: number, source: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32BE(senderSsrc, 0);
  body.writeUInt32BE(source, 4);
  return packet(PICTURE_LOSS, PAYLOAD_FEEDBACK, body);
}

/** Says how many bits a second may be sent (draft-alvestrand-rmcat-remb). */
export function maxBitrate(senderSsrc: number, bitrate: number, sources: readonly number[]): Buffer {
  let exponent = 0;
  let mantissa = Math.max(0, Math.floor(bitrate));
  while (mantissa > MAX_REMB_MANTISSA) {
    mantissa = Math.floor(mantissa / 2);
    exponent++;
  }
  const body = Buffer.alloc(16 + sources.length * 4);
  body.writeUInt32BE(senderSsrc, 0);
  body.writeUInt32BE(REMB, 8);
  body.writeUInt8(sources.length, 12);
  body.writeUIntBE(exponent * 2 ** 18 + mantissa, 13, 3);
  sources.forEach((source, index) => {
    body.writeUInt32BE(source, 16 + index * 4);
  });
  return packet(APPLICATION_LAYER, PAYLOAD_FEEDBACK, body);
}
