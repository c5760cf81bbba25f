import { NAL, nalType, splitAnnexB } from './annex-b.js';

/** Bytes of payload that fit into a packet on any path that WebRTC uses, with room for headers and extensions. */
export const MAX_PAYLOAD_BYTES = 1160;

/** What stands in a VP8 payload descriptor of ours. */
export interface Vp8PictureNumbers {
  /** 15 bits. */
  readonly pictureId: number;
  /** 8 bits, for streams of which another part has temporal layers: the picture is of the base layer. */
  readonly tl0PicIdx?: number;
}

/**
 * Payloads for a VP8 frame (RFC 7741): a descriptor with a 15-bit picture id, then as much of the frame as fits; all about
 * equally long. The last one's packet has the marker.
 */
export function packetizeVp8(
  frame: Uint8Array,
  numbers: Vp8PictureNumbers,
  maxBytes = MAX_PAYLOAD_BYTES,
): Uint8Array[] {
  const { pictureId, tl0PicIdx } = numbers;
  const id = [0x80 | ((pictureId >> 8) & 0x7f), pictureId & 0xff];
  const descriptor = tl0PicIdx === undefined ? [0x80, 0x80, ...id] : [0x80, 0xe0, ...id, tl0PicIdx & 0xff, 0];
  const room = checkedRoom(maxBytes, descriptor.length);
  const count = Math.max(1, Math.ceil(frame.length / room));
  const payloads: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const part = frame.subarray(Math.floor((frame.length * i) / count), Math.floor((frame.length * (i + 1)) / count));
    const payload = Buffer.allocUnsafe(descriptor.length + part.length);
    payload.set(descriptor);
    if (i === 0) payload[0] = 0x90;
    payload.set(part, descriptor.length);
    payloads.push(payload);
  }
  return payloads;
}

/**
 * Payloads for an H.264 access unit in Annex B (RFC 6184, packetization mode 1): parameter sets together in a STAP-A where
 * they fit into one, other NAL units by themselves, large ones in FU-A fragments about equally long. Access unit delimiters
 * and filler are left out. The last one's packet has the marker.
 */
export function packetizeH264(accessUnit: Uint8Array, maxBytes = MAX_PAYLOAD_BYTES): Uint8Array[] {
  checkedRoom(maxBytes, 2);
  const payloads: Uint8Array[] = [];
  let sets: Uint8Array[] = [];
  const flush = () => {
    payloads.push(...aggregate(sets, maxBytes));
    sets = [];
  };
  for (const nal of splitAnnexB(accessUnit)) {
    const type = nalType(nal);
    if (type === NAL.aud || type === NAL.filler) continue;
    if (type === NAL.sps || type === NAL.pps) {
      sets.push(nal);
      continue;
    }
    flush();
    payloads.push(...fragments(nal, maxBytes));
  }
  flush();
  return payloads;
}

function checkedRoom(maxBytes: number, overhead: number): number {
  if (!(maxBytes >= 32)) throw new TypeError('maxBytes must be a number of bytes, 32 at least.');
  return Math.floor(maxBytes) - overhead;
}

function aggregate(nals: readonly Uint8Array[], maxBytes: number): Uint8Array[] {
  const bytes = nals.reduce((sum, nal) => sum + 2 + nal.length, 1);
  if (nals.length < 2 || bytes > maxBytes) return nals.flatMap((nal) => fragments(nal, maxBytes));
  const payload = Buffer.allocUnsafe(bytes);
  // F and NRI: the largest of what is inside (RFC 6184, section 5.7.1).
  payload[0] = nals.reduce((most, nal) => Math.max(most, (nal[0] ?? 0) & 0x60), 0) | NAL.stapA;
  let at = 1;
  for (const nal of nals) {
    payload[at] = nal.length >> 8;
    payload[at + 1] = nal.length & 0xff;
    payload.set(nal, at + 2);
    at += 2 + nal.length;
  }
  return [payload];
}

function fragments(nal: Uint8Array, maxBytes: number): Uint8Array[] {
  if (nal.length <= maxBytes) return [nal];
  const header = nal[0] ?? 0;
  const body = nal.length - 1;
  const count = Math.ceil(body / checkedRoom(maxBytes, 2));
  const payloads: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const part = nal.subarray(1 + Math.floor((body * i) / count), 1 + Math.floor((body * (i + 1)) / count));
    const payload = Buffer.allocUnsafe(2 + part.length);
    payload[0] = (header & 0xe0) | NAL.fuA;
    payload[1] = (header & 0x1f) | (i === 0 ? 0x80 : 0) | (i === count - 1 ? 0x40 : 0);
    payload.set(part, 2);
    payloads.push(payload);
  }
  return payloads;
}
