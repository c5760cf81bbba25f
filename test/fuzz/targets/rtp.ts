import { keyframeSize, startsKeyframe } from '../../../src/server/rtc/picture-start.js';
import { splitAnnexB } from '../../../src/server/rtp/annex-b.js';
import { FrameAssembler } from '../../../src/server/rtp/assembler.js';
import { readPps, readSlicePpsId, readSps } from '../../../src/server/rtp/h264-sps.js';
import { OutputTrack } from '../../../src/server/rtp/output-track.js';
import type { RtpPacketLike } from '../../../src/server/rtp/packet.js';
import { packetizeH264, packetizeVp8 } from '../../../src/server/rtp/packetizer.js';
import type { FuzzTarget } from '../target.js';

/** Header of a packet inside an input: steps of sequence number, timestamp and time, flags, length. */
const HEADER_BYTES = 8;
/** Far more than an input has; what a target does is bounded by its input's length. */
const MOST_PACKETS = 200;

/** Reads an input as packets. Small steps of numbers are likely, and all are possible. */
function* packetsOf(input: Uint8Array): Generator<{ packet: RtpPacketLike; nowMs: number; other: boolean }> {
  let sequence = 65_530;
  let timestamp = 2 ** 32 - 6000;
  let nowMs = 0;
  let at = 0;
  for (let n = 0; n < MOST_PACKETS && at + HEADER_BYTES <= input.length; n++) {
    const byte = (i: number) => input[at + i] ?? 0;
    const flags = byte(0);
    // A step of -3 to 4, or any.
    sequence = (sequence + (flags & 0x10 ? (byte(1) << 8) | byte(2) : (byte(2) & 7) - 3)) & 0xffff;
    const step = flags & 0x20 ? byte(3) * 2 ** 24 + byte(4) * 2 ** 8 : (byte(3) & 1) * 3000;
    timestamp = (timestamp + step) % 2 ** 32;
    nowMs += flags & 0x40 ? byte(5) : byte(5) & 3;
    const length = flags & 0x08 ? 0 : (byte(6) << 8) | byte(7);
    at += HEADER_BYTES;
    const payload = input.subarray(at, Math.min(input.length, at + length));
    at += payload.length;
    yield {
      packet: { sequenceNumber: sequence, timestamp, marker: (flags & 1) !== 0, payload },
      nowMs,
      other: (flags & 2) !== 0,
    };
  }
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** An input of payloads, all in order, the last of each picture with a marker. */
function inputOf(pictures: readonly (readonly Uint8Array[])[]): Uint8Array {
  const bytes: number[] = [];
  for (const payloads of pictures) {
    payloads.forEach((payload, i) => {
      const marker = i === payloads.length - 1 ? 1 : 0;
      bytes.push(marker, 0, 4, i === 0 ? 1 : 0, 0, 1, payload.length >> 8, payload.length & 0xff, ...payload);
    });
  }
  return Uint8Array.from(bytes);
}

const vp8Key = Uint8Array.of(0x10, 0, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0, ...new Uint8Array(60).fill(7));
const vp8Delta = Uint8Array.of(0x11, 0, 0, ...new Uint8Array(20).fill(9));
const vp8Seeds = [
  inputOf([
    packetizeVp8(vp8Key, { pictureId: 32_766 }, 40),
    packetizeVp8(vp8Delta, { pictureId: 32_767 }),
    packetizeVp8(vp8Delta, { pictureId: 0 }),
  ]),
  inputOf([
    packetizeVp8(vp8Key, { pictureId: 1, tl0PicIdx: 255 }),
    packetizeVp8(vp8Delta, { pictureId: 2, tl0PicIdx: 0 }),
  ]),
  inputOf([
    [Uint8Array.of(0x10, ...vp8Key)],
    [Uint8Array.of(0x10, ...vp8Delta)],
    [new Uint8Array(0)],
    [Uint8Array.of(0x10, ...vp8Key)],
  ]),
  inputOf([
    [Uint8Array.of(0x90, 0xf0, 0x7f, 0xff, 0xe0, ...vp8Key)],
    [Uint8Array.of(0xb0, 0xf0, 0, 0, 0x60, ...vp8Delta)],
  ]),
];

// x264's sets for 320x180, which is cropped, in the baseline and in the high profile.
const sps = hex('6742c00dd901419f9f0110000003001000000303c0f142a480');
const pps = hex('68cb83cb20');
const highSps = hex('6764000dacd941419f9f10000003001000000303c0f1429960');
const highPps = hex('68ebe3cb22c0');
const startCode = [0, 0, 0, 1];
const idr = Uint8Array.of(0x65, 0x88, 0x84, ...new Uint8Array(90).fill(3));
const slice = Uint8Array.of(0x41, 0x9a, 0x24, ...new Uint8Array(30).fill(5));
const keyUnit = Uint8Array.of(...startCode, ...sps, ...startCode, ...pps, ...startCode, ...idr);
const deltaUnit = Uint8Array.of(...startCode, ...slice);
const h264Seeds = [
  inputOf([packetizeH264(keyUnit), packetizeH264(deltaUnit), packetizeH264(deltaUnit)]),
  inputOf([packetizeH264(keyUnit, 40), packetizeH264(deltaUnit, 32), [new Uint8Array(0)], packetizeH264(keyUnit)]),
  inputOf([[sps], [pps], [idr], [slice], [Uint8Array.of(9, 0xf0), highSps, highPps, idr]]),
];

/** @returns pictures that were told */
export function assemble(codec: 'vp8' | 'h264', input: Uint8Array): number {
  const assembler = new FrameAssembler({
    codec,
    maxPictureBytes: 4096,
    maxHeldBytes: 8192,
    onPicture: () => {},
    onKeyframeWanted: () => {},
  });
  for (const { packet, nowMs } of packetsOf(input)) assembler.push(packet, nowMs);
  for (let ticks = 0; assembler.nextTickMs !== undefined; ticks++) {
    if (ticks > MOST_PACKETS) throw new Error('Ticks do not come to an end.');
    assembler.tick(assembler.nextTickMs);
  }
  if (assembler.heldBytes > 0) throw new Error('Packets are held for ever.');
  return assembler.stats.pictures;
}

/** @returns packets that were sent */
export function forward(codec: 'vp8' | 'h264', input: Uint8Array): number {
  const track = new OutputTrack({
    codec,
    first: { sequenceNumber: 65_535, timestamp: 2 ** 32 - 1, pictureId: 32_767 },
    send: ({ sequenceNumber, timestamp }) => {
      if (!(sequenceNumber >= 0 && sequenceNumber <= 0xffff && timestamp >= 0 && timestamp < 2 ** 32)) {
        throw new Error(`Numbers that fit no packet: ${sequenceNumber}, ${timestamp}.`);
      }
    },
  });
  track.select({ id: 0, timeBase: 0 });
  let taken = 0;
  for (const { packet, nowMs, other } of packetsOf(input)) {
    if (startsKeyframe(codec, packet.payload)) keyframeSize(codec, packet.payload);
    if (taken++ % 16 === 15) track.select({ id: other ? 1 : 0, timeBase: other ? nowMs : 0 });
    if (other && packet.marker) {
      track.picture(1, { codec, data: packet.payload, key: true, timestampUs: packet.timestamp * 11 }, nowMs);
    } else track.forward(other ? 1 : 0, packet, nowMs);
  }
  return track.stats.packets;
}

/** RTP as publishers send it. */
export const targets: readonly FuzzTarget[] = [
  { name: 'rtp-vp8-assembler', seeds: vp8Seeds, run: (input) => void assemble('vp8', input) },
  { name: 'rtp-h264-assembler', seeds: h264Seeds, run: (input) => void assemble('h264', input) },
  { name: 'rtp-vp8-output', seeds: vp8Seeds, run: (input) => void forward('vp8', input) },
  { name: 'rtp-h264-output', seeds: h264Seeds, run: (input) => void forward('h264', input) },
  {
    name: 'h264-headers',
    seeds: [sps, highSps, pps, highPps, idr, slice, keyUnit],
    run: (input) => {
      const size = readSps(input);
      if (size && !(size.width > 0 && size.width < 20_000 && size.height > 0 && size.height < 20_000)) {
        throw new Error(`A size that no picture has: ${size.width}x${size.height}.`);
      }
      readPps(input);
      readSlicePpsId(input);
      splitAnnexB(input);
      startsKeyframe('h264', input);
      keyframeSize('h264', input);
      packetizeH264(input, 100);
    },
  },
];
