import { execFileSync } from 'node:child_process';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import { NAL, nalType, START_CODE, splitAnnexB } from '../../src/server/rtp/annex-b.js';
import { microsecondsOf, type RtpPacketLike } from '../../src/server/rtp/packet.js';
import { packetizeH264, packetizeVp8 } from '../../src/server/rtp/packetizer.js';

type Codec = 'vp8' | 'h264';

/** Numbers between 0 and 1 that are the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const FFMPEG = ['-hide_banner', '-loglevel', 'error'];

/** A moving picture, coded by ffmpeg at 30 frames a second with a keyframe every `interval` frames. */
export function encoded(
  codec: Codec,
  frames: number,
  { interval = 30, size = '320x180', kbps = 1200 } = {},
): CodedPicture[] {
  const input = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=30`, '-frames:v', `${frames}`, '-pix_fmt', 'yuv420p'];
  const rate = ['-b:v', `${kbps}k`, '-g', `${interval}`, '-keyint_min', `${interval}`, '-threads', '1'];
  const vp8 = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-auto-alt-ref', '0', '-f', 'ivf'];
  const x264 = 'aud=1:slices=2:sliced-threads=0:scenecut=0';
  const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-x264-params', x264, '-f', 'h264'];
  const output = execFileSync(
    '/usr/bin/ffmpeg',
    [...FFMPEG, ...input, ...rate, ...(codec === 'vp8' ? vp8 : h264), '-'],
    {
      maxBuffer: 2 ** 28,
    },
  );
  const pictures = codec === 'vp8' ? fromIvf(output) : accessUnits(output);
  return pictures.map((data, i) => {
    const key = codec === 'vp8' ? (data[0]! & 1) === 0 : splitAnnexB(data).some((nal) => nalType(nal) === NAL.idr);
    return { codec, data, key, timestampUs: microsecondsOf(i * 3000) };
  });
}

function fromIvf(file: Buffer): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 32; at < file.length; ) {
    const bytes = file.readUInt32LE(at);
    frames.push(Uint8Array.from(file.subarray(at + 12, at + 12 + bytes)));
    at += 12 + bytes;
  }
  return frames;
}

/** Access units without delimiters, with start codes of four bytes. */
function accessUnits(stream: Uint8Array): Uint8Array[] {
  const units: Uint8Array[][] = [];
  for (const nal of splitAnnexB(stream)) {
    if (nalType(nal) === NAL.aud) units.push([]);
    else units[units.length - 1]!.push(START_CODE, nal);
  }
  return units.map((unit) => Uint8Array.from(Buffer.concat(unit)));
}

/** I420 pictures of the size that were decoded by ffmpeg. */
export function decoded(codec: Codec, pictures: readonly CodedPicture[], width = 320, height = 180): Buffer[] {
  const header = Buffer.alloc(32);
  header.write('DKIF', 0);
  header.writeUInt16LE(32, 6);
  header.write('VP80', 8);
  header.writeUInt16LE(width, 12);
  header.writeUInt16LE(height, 14);
  header.writeUInt32LE(30, 16);
  header.writeUInt32LE(1, 20);
  const ivf = pictures.flatMap(({ data }, i) => {
    const frame = Buffer.alloc(12);
    frame.writeUInt32LE(data.length, 0);
    frame.writeUInt32LE(i, 4);
    return [frame, data];
  });
  const input = codec === 'vp8' ? Buffer.concat([header, ...ivf]) : Buffer.concat(pictures.map(({ data }) => data));
  const args = [
    '-threads',
    '1',
    '-f',
    codec === 'vp8' ? 'ivf' : 'h264',
    '-i',
    '-',
    '-fps_mode',
    'passthrough',
    '-f',
    'rawvideo',
    '-',
  ];
  const output = execFileSync('/usr/bin/ffmpeg', [...FFMPEG, ...args], { input, maxBuffer: 2 ** 30 });
  const bytes = (width * height * 3) / 2;
  return Array.from({ length: output.length / bytes }, (_, i) => output.subarray(i * bytes, (i + 1) * bytes));
}

/** A packet on its way, with the picture it belongs to; -1 for padding. */
export interface SentPacket extends RtpPacketLike {
  readonly picture: number;
  readonly sentMs: number;
}

/** How a sender counts, and whether it sends padding after every so many pictures. */
export interface SenderNumbers {
  readonly sequence?: number;
  readonly timestamp?: number;
  readonly pictureId?: number;
  readonly paddingEvery?: number;
}

/** Packets of pictures that are sent as their timestamps say, a tenth of a millisecond apart. */
export function sent(pictures: readonly CodedPicture[], numbers: SenderNumbers = {}): SentPacket[] {
  const { timestamp = 0, pictureId = 0, paddingEvery = 0 } = numbers;
  let sequence = numbers.sequence ?? 0;
  const packets: SentPacket[] = [];
  pictures.forEach((picture, i) => {
    const payloads =
      picture.codec === 'vp8'
        ? packetizeVp8(picture.data, { pictureId: (pictureId + i) & 0x7fff })
        : packetizeH264(picture.data);
    const ticks = Math.round((picture.timestampUs * 9) / 100) + timestamp;
    const add = (payload: Uint8Array, marker: boolean, of: number, n: number) =>
      packets.push({
        sequenceNumber: sequence++ & 0xffff,
        timestamp: ticks % 2 ** 32,
        marker,
        payload,
        picture: of,
        sentMs: picture.timestampUs / 1000 + n / 10,
      });
    for (const [n, payload] of payloads.entries()) add(payload, n === payloads.length - 1, i, n);
    if (paddingEvery && i % paddingEvery === 0)
      for (let n = 0; n < 2; n++) add(new Uint8Array(0), false, -1, payloads.length + n);
  });
  return packets;
}

/** What a network does to packets, as shares of them. */
export interface Network {
  readonly seed: number;
  readonly loss?: number;
  /** These come up to `jitterMs` later than they would, after others. */
  readonly reordered?: number;
  readonly duplicates?: number;
  /** Delay that changes slowly and keeps the order. */
  readonly jitterMs?: number;
}

/** A packet that came. */
export interface Arrival {
  readonly packet: SentPacket;
  readonly atMs: number;
}

/** Packets in the order they come, and those that never do. */
export function carried(packets: readonly SentPacket[], network: Network): { arrivals: Arrival[]; lost: SentPacket[] } {
  const { loss = 0, reordered = 0, duplicates = 0, jitterMs = 0 } = network;
  const next = random(network.seed);
  const arrivals: Arrival[] = [];
  const lost: SentPacket[] = [];
  let before = 0;
  for (const packet of packets) {
    if (next() < loss) {
      lost.push(packet);
      continue;
    }
    const straightMs = Math.max(before, packet.sentMs + 20 + next() * jitterMs * 0.5);
    const late = next() < reordered;
    if (!late) before = straightMs;
    const atMs = straightMs + (late ? next() * jitterMs : 0);
    arrivals.push({ packet, atMs });
    if (next() < duplicates) arrivals.push({ packet, atMs: atMs + next() * 30 });
  }
  arrivals.sort((a, b) => a.atMs - b.atMs);
  return { arrivals, lost };
}

/** Plays arrivals to something that has ticks, each at its time, and goes on for a second. */
export function play(
  arrivals: readonly Arrival[],
  target: {
    push(packet: RtpPacketLike, nowMs: number): void;
    tick(nowMs: number): void;
    nextTickMs: number | undefined;
  },
): void {
  const tickUntil = (ms: number) => {
    while (target.nextTickMs !== undefined && target.nextTickMs <= ms) target.tick(target.nextTickMs);
  };
  for (const { packet, atMs } of arrivals) {
    tickUntil(atMs);
    target.push(packet, atMs);
  }
  tickUntil((arrivals[arrivals.length - 1]?.atMs ?? 0) + 1000);
}

/**
 * The pictures that can be decoded when these packets are lost, by the definition: a keyframe all of whose packets came, and
 * what follows it without a loss. Lost padding is a loss where a format does not number its pictures.
 */
export function decodable(
  pictures: readonly CodedPicture[],
  packets: readonly SentPacket[],
  lost: readonly SentPacket[],
): number[] {
  const gone = new Set(lost);
  const numbered = pictures[0]?.codec === 'vp8';
  const good: number[] = [];
  let chain = false;
  let at = 0;
  for (let i = 0; i < pictures.length; i++) {
    let whole = true;
    let padded = false;
    for (; at < packets.length && (packets[at]!.picture === i || packets[at]!.picture < 0); at++) {
      const packet = packets[at]!;
      if (!gone.has(packet)) continue;
      if (packet.picture === i) whole = false;
      else if (!numbered) padded = true;
    }
    chain = whole && (chain || pictures[i]!.key);
    if (chain) good.push(i);
    if (padded) chain = false;
  }
  return good;
}
