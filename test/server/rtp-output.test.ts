import { describe, expect, it } from 'vitest';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import { FrameAssembler } from '../../src/server/rtp/assembler.js';
import { OutputTrack } from '../../src/server/rtp/output-track.js';
import { microsecondsOf, type RtpPacketLike } from '../../src/server/rtp/packet.js';
import { packetizeH264, packetizeVp8 } from '../../src/server/rtp/packetizer.js';
import { unwrapNear } from '../../src/server/rtp/unwrap.js';
import { readVp8Descriptor } from '../../src/server/rtp/vp8.js';
import { carried, encoded, play, random, type SentPacket, sent } from '../support/rtp.js';

const FRAMES = 150;
/** As sent, and as our encoder would make it. */
const coded = {
  vp8: { source: encoded('vp8', FRAMES), own: encoded('vp8', FRAMES, { size: '640x360' }) },
  h264: { source: encoded('h264', FRAMES), own: encoded('h264', FRAMES, { size: '640x360' }) },
};
const FIRST = { sequenceNumber: 65_500, timestamp: 2 ** 32 - 50_000, pictureId: 32_750 };
const PUBLISHER = { id: 'packets', timeBase: 'publisher' };
const OURS = { id: 'ours', timeBase: 'publisher' };

function output(codec: 'vp8' | 'h264') {
  const out: RtpPacketLike[] = [];
  const wanted: (string | number)[] = [];
  const track = new OutputTrack({
    codec,
    send: (packet) => out.push(packet),
    onKeyframeWanted: (id) => wanted.push(id),
    first: FIRST,
  });
  return { track, out, wanted };
}

/** What a receiver makes of outgoing packets. */
function received(codec: 'vp8' | 'h264', packets: readonly RtpPacketLike[]): CodedPicture[] {
  const pictures: CodedPicture[] = [];
  const assembler = new FrameAssembler({ codec, onPicture: (p) => pictures.push(p), onKeyframeWanted: () => {} });
  packets.forEach((packet, i) => {
    assembler.push(packet, i / 10);
  });
  assembler.tick(Number.MAX_VALUE);
  return pictures;
}

/** Unwrapped numbers of packets, in the order of their sequence numbers. */
function numbers(packets: readonly RtpPacketLike[]) {
  let last = { sequence: packets[0]!.sequenceNumber, timestamp: packets[0]!.timestamp, pictureId: -1 };
  const all = packets.map((packet) => {
    const descriptor = packet.payload.length > 0 ? readVp8Descriptor(packet.payload) : undefined;
    last = {
      sequence: unwrapNear(packet.sequenceNumber, last.sequence, 16),
      timestamp: unwrapNear(packet.timestamp, last.timestamp, 32),
      pictureId: descriptor
        ? unwrapNear(descriptor.pictureId, last.pictureId < 0 ? descriptor.pictureId : last.pictureId, 15)
        : last.pictureId,
    };
    return { ...last, marker: packet.marker, packet };
  });
  return all.sort((a, b) => a.sequence - b.sequence);
}

/** Every number goes on by one; times grow with each picture, and so do picture ids. */
function expectContinuous(codec: 'vp8' | 'h264', packets: readonly RtpPacketLike[]): void {
  const all = numbers(packets);
  for (let i = 1; i < all.length; i++) {
    const [before, now] = [all[i - 1]!, all[i]!];
    expect(now.sequence - before.sequence, `packet ${i}`).toBe(1);
    if (before.marker) expect(now.timestamp, `packet ${i}`).toBeGreaterThan(before.timestamp);
    else expect(now.timestamp, `packet ${i}`).toBe(before.timestamp);
    if (codec === 'vp8') expect(now.pictureId - before.pictureId, `packet ${i}`).toBe(before.marker ? 1 : 0);
  }
}

function same(pictures: readonly CodedPicture[], expected: readonly CodedPicture[]): void {
  expect(pictures.length).toBe(expected.length);
  for (const [i, { data }] of pictures.entries()) {
    expect(Buffer.compare(data, expected[i]!.data), `picture ${i}`).toBe(0);
  }
}

describe.each(['vp8', 'h264'] as const)('%s', (codec) => {
  const { source, own } = coded[codec];

  it('goes on without a seam while sources change at keyframes', () => {
    const { track, out, wanted } = output(codec);
    const packets = sent(source, { sequence: 65_000, timestamp: 1000, pictureId: 100, paddingEvery: 3 });
    const expected: CodedPicture[] = [];
    let current = 'none';
    track.select(PUBLISHER);
    expect(track.waiting).toBe(true);
    source.forEach((picture, i) => {
      if (i === 40) track.select(OURS);
      if (i === 70) track.select(PUBLISHER);
      if (i === 100) track.select(OURS);
      if (i === 105) track.select(PUBLISHER);
      if (picture.key && i === 0) current = 'packets';
      if (picture.key && i === 60) current = 'ours';
      if (picture.key && i === 90) current = 'packets';
      expected.push(current === 'packets' ? picture : own[i]!);
      const nowMs = picture.timestampUs / 1000;
      const forward = () => {
        for (const packet of packets) {
          if (packet.timestamp === 1000 + i * 3000) track.forward('packets', packet, nowMs);
        }
      };
      const ours = () => track.picture('ours', { ...own[i]!, timestampUs: microsecondsOf(1000 + i * 3000) }, nowMs);
      // The source that takes over comes first, so no picture is shown twice.
      for (const step of track.selected === OURS ? [ours, forward] : [forward, ours]) step();
    });
    expect(wanted).toEqual(['packets', 'ours', 'packets', 'ours']);
    expect(track.stats.switches).toBe(3);
    expectContinuous(codec, out);
    const pictures = received(codec, out);
    same(pictures, expected);
    // One clock: no switch has moved a picture in time.
    const times = pictures.map(({ timestampUs }) => Math.round((timestampUs * 9) / 100));
    expect(times.map((time) => (time - times[0]!) / 3000)).toEqual(source.map((_, i) => i));
  });

  it.each([1, 2, 3, 4, 5])(
    'forwards what a faulty network brings: losses stay gaps, padding leaves none (seed %i)',
    (seed) => {
      const { track, out } = output(codec);
      const packets = sent(source, { sequence: 65_300, timestamp: 77, pictureId: 32_700, paddingEvery: 2 });
      const { arrivals, lost } = carried(packets, {
        seed,
        loss: 0.02,
        reordered: 0.05,
        duplicates: 0.03,
        jitterMs: 30,
      });
      track.select(PUBLISHER);
      for (const { packet, atMs } of arrivals) track.forward('packets', packet, atMs);
      const all = numbers(out);
      expect(new Set(all.map(({ sequence }) => sequence)).size).toBe(out.length);
      const begun = packets.findIndex(
        ({ payload }) =>
          payload === arrivals.find((a) => a.packet.payload.length > 0 && isStart(a.packet))!.packet.payload,
      );
      const gone = new Set(lost);
      const there = packets.slice(begun).filter((packet) => !gone.has(packet));
      const outgoing = all.filter(({ packet }) => packet.payload.length > 0).map(({ packet }) => packet);
      expect(outgoing.length).toBe(there.filter(({ payload }) => payload.length > 0).length);
      expect(outgoing.map(({ payload }) => payload.at(-1))).toEqual(
        there.filter(({ payload }) => payload.length > 0).map(({ payload }) => payload.at(-1)),
      );
      // Padding that comes out of order fills its own place, so a gap is a packet that was lost, and every loss is a gap.
      const gaps = all.reduce((sum, { sequence }, i) => sum + (i > 0 ? sequence - all[i - 1]!.sequence - 1 : 0), 0);
      const lostBetween = packets
        .slice(begun, packets.indexOf(there.at(-1)!))
        .filter((packet) => gone.has(packet)).length;
      expect(gaps).toBe(lostBetween);
    },
  );

  function isStart(packet: SentPacket): boolean {
    return (
      packet.picture >= 0 && source[packet.picture]!.key && packet.payload === first(packet.picture, packet.payload)
    );
  }
  function first(picture: number, payload: Uint8Array): Uint8Array | undefined {
    const descriptor = codec === 'vp8' ? readVp8Descriptor(payload) : undefined;
    if (codec === 'vp8') return descriptor?.start ? payload : undefined;
    return packetizeH264(source[picture]!.data)[0]!.every((byte, i) => byte === payload[i]) ? payload : undefined;
  }

  it('goes on for viewers when a publisher comes back with other numbers', () => {
    const { track, out, wanted } = output(codec);
    track.select(PUBLISHER);
    for (const packet of sent(source.slice(0, 45), { sequence: 10, timestamp: 5, pictureId: 9 }))
      track.forward('packets', packet, packet.sentMs);
    const back = { id: 'packets', timeBase: 'again' };
    track.select(back);
    expect(wanted).toEqual(['packets', 'packets']);
    const again = sent(source.slice(15), { sequence: 50_000, timestamp: 4e9, pictureId: 20_000 });
    for (const packet of again) track.forward('packets', packet, 4000 + packet.sentMs);
    expectContinuous(codec, out);
    const pictures = received(codec, out);
    same(pictures, [...source.slice(0, 45), ...source.slice(30)]);
    const seconds = (pictures[45]!.timestampUs - pictures[44]!.timestampUs) / 1e6;
    // Real time went on: the last picture was sent at 44 / 30 s, the keyframe at 4 s + 1 s.
    expect(seconds).toBeCloseTo(4 + 1 - 44 / 30, 2);
  });

  it('begins anew at a keyframe when the source itself counts anew, and asks for one', () => {
    const { track, out, wanted } = output(codec);
    track.select(PUBLISHER);
    for (const packet of sent(source.slice(0, 20), { sequence: 10 })) track.forward('packets', packet, packet.sentMs);
    const again = sent(source.slice(20), { sequence: 50_000, timestamp: 2e9, pictureId: 20_000 });
    for (const packet of again) track.forward('packets', packet, packet.sentMs);
    expect(wanted).toEqual(['packets', 'packets']);
    expectContinuous(codec, out);
    same(received(codec, out), [...source.slice(0, 20), ...source.slice(30)]);
  });

  it('drops late packets of before a switch, and takes a keyframe whose first packet is late', () => {
    const { track, out } = output(codec);
    track.select(PUBLISHER);
    const low = sent(source.slice(0, 40), { sequence: 100 });
    const high = sent(own.slice(30, 60), { sequence: 40_000, timestamp: 1e9 });
    for (const packet of low) track.forward('packets', packet, packet.sentMs);
    track.select({ id: 'high', timeBase: 'high' });
    const [start, second, ...rest] = high as [SentPacket, SentPacket, ...SentPacket[]];
    track.forward('high', second, 1400);
    track.forward('high', rest[0]!, 1400);
    track.forward('high', start, 1401);
    track.forward('packets', low.at(-1)!, 1401);
    for (const packet of rest.slice(1)) track.forward('high', packet, 1402 + packet.sentMs - start.sentMs);
    expect(track.waiting).toBe(false);
    expectContinuous(codec, out);
    same(received(codec, out), [...source.slice(0, 40), ...own.slice(30, 60)]);
  });

  it('lets nobody take the beginning of a picture for the whole when it is left within one', () => {
    const { track, out } = output(codec);
    track.select(PUBLISHER);
    const packets = sent(source.slice(0, 31));
    const cut = packets.findIndex(({ picture }) => picture === 30) + 2;
    for (const packet of packets.slice(0, cut)) track.forward('packets', packet, packet.sentMs);
    track.select(OURS);
    for (const picture of own.slice(60, 90)) track.picture('ours', picture, picture.timestampUs / 1000);
    same(received(codec, out), [...source.slice(0, 30), ...own.slice(60, 90)]);
  });

  it('lets our pictures that lag follow a tick apart until they have caught up', () => {
    const { track, out } = output(codec);
    track.select(PUBLISHER);
    const packets = sent(source.slice(0, 35));
    for (const packet of packets) track.forward('packets', packet, packet.sentMs);
    track.select(OURS);
    for (const picture of own.slice(30, 60)) track.picture('ours', picture, picture.timestampUs / 1000 + 160);
    expectContinuous(codec, out);
    const times = received(codec, out).map(({ timestampUs }) => Math.round((timestampUs * 9) / 100));
    const ticks = times.map((time) => time - times[0]!);
    expect(ticks[34]).toBe(34 * 3000);
    // Pictures 30 to 34 again, then at their own times.
    expect(ticks.slice(35, 40)).toEqual([1, 2, 3, 4, 5].map((tick) => 34 * 3000 + tick));
    expect(ticks.slice(40)).toEqual(own.slice(35, 60).map((_, i) => (35 + i) * 3000));
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    'never lets a receiver decode without what a picture refers to (seed %i)',
    (seed) => {
      const next = random(seed);
      const { track, out } = output(codec);
      const network = { loss: 0.01, reordered: 0.05, duplicates: 0.02, jitterMs: 40 };
      const low = carried(sent(source, { sequence: 65_300, timestamp: 5, paddingEvery: 3 }), { ...network, seed });
      const high = carried(sent(own, { sequence: 9, timestamp: 4e9, paddingEvery: 5 }), {
        ...network,
        seed: seed + 100,
      });
      const steps: { atMs: number; step: (atMs: number) => void }[] = [
        ...low.arrivals.map(({ packet, atMs }) => ({ atMs, step: () => track.forward('low', packet, atMs) })),
        ...high.arrivals.map(({ packet, atMs }) => ({ atMs, step: () => track.forward('high', packet, atMs) })),
        // Our pictures are ready a while after their packets.
        ...source.map((picture, i) => {
          const atMs = picture.timestampUs / 1000 + 90;
          const ours = { ...picture, timestampUs: microsecondsOf(5 + i * 3000) };
          return { atMs, step: () => track.picture('ours', ours, atMs) };
        }),
      ];
      const sentAt: number[] = [];
      for (const { atMs, step } of steps.sort((a, b) => a.atMs - b.atMs)) {
        if (out.length === 0 || next() < 0.004) {
          const to = ['low', 'high', 'ours'][Math.floor(next() * 3)]!;
          track.select({ id: to, timeBase: to === 'ours' ? 'low' : to });
        }
        step(atMs);
        while (sentAt.length < out.length) sentAt.push(atMs);
      }
      expect(track.stats.switches).toBeGreaterThan(1);
      const outgoing = out.map((packet, i) => ({ ...packet, picture: 0, sentMs: sentAt[i]! }));
      const names = new Map<string, string>();
      for (const [id, pictures] of [
        ['low', source],
        ['high', own],
      ] as const) {
        for (const [i, { data }] of pictures.entries()) names.set(Buffer.from(data).toString('latin1'), `${id} ${i}`);
      }
      const pictures: CodedPicture[] = [];
      const receiver = new FrameAssembler({ codec, onPicture: (p) => pictures.push(p), onKeyframeWanted: () => {} });
      play(carried(outgoing, { ...network, seed: seed + 200 }).arrivals, receiver);
      expect(pictures.length).toBeGreaterThan(5);
      let before = '';
      for (const { data, key } of pictures) {
        const name = names.get(Buffer.from(data).toString('latin1'))!;
        const [id, i] = name.split(' ');
        if (!key) expect(before).toBe(`${id} ${Number(i) - 1}`);
        before = name;
      }
      expect(pictures.every(({ timestampUs }, i) => i === 0 || timestampUs > pictures[i - 1]!.timestampUs)).toBe(true);
    },
  );

  it('sends nothing before a keyframe, and nothing when no source is chosen', () => {
    const { track, out } = output(codec);
    track.select(OURS);
    for (const picture of own.slice(1, 20)) track.picture('ours', picture, 0);
    for (const packet of sent(source.slice(0, 20))) track.forward('packets', packet, 0);
    expect(out).toEqual([]);
    expect(track.waiting).toBe(true);
    track.picture('ours', own[30]!, 1000);
    const before = out.length;
    expect(before).toBeGreaterThan(0);
    track.select(undefined);
    track.picture('ours', own[31]!, 1033);
    expect(out.length).toBe(before);
  });

  it('puts no more into a payload than fits, and everything that is in the picture', () => {
    for (const picture of [...source, ...own]) {
      const payloads =
        codec === 'vp8' ? packetizeVp8(picture.data, { pictureId: 1 }, 500) : packetizeH264(picture.data, 500);
      expect(Math.max(...payloads.map(({ length }) => length))).toBeLessThanOrEqual(500);
    }
  });
});

describe('vp8 numbers', () => {
  const key = coded.vp8.source[0]!.data;
  const delta = Uint8Array.of(0x11, 2, 3, 4);

  it('makes 7-bit picture ids and TL0PICIDX go on over a change of layers', () => {
    const { track, out } = output('vp8');
    const packet = (i: number, base: number, tl0: number, frame: Uint8Array): RtpPacketLike => ({
      sequenceNumber: base + i,
      timestamp: base * 1000 + i * 3000,
      marker: true,
      payload: Uint8Array.of(0x90, 0xe0, (base + i) & 0x7f, (tl0 + i) & 0xff, 0, ...frame),
    });
    track.select({ id: 1, timeBase: 1 });
    for (let i = 0; i < 200; i++) track.forward(1, packet(i, 100, 250, i === 0 ? key : delta), i * 33);
    track.select({ id: 2, timeBase: 2 });
    for (let i = 0; i < 200; i++) track.forward(2, packet(i, 30_055, 7, i === 0 ? key : delta), 6600 + i * 33);
    expectContinuous('vp8', out);
    const tl0 = out.map(({ payload }) => readVp8Descriptor(payload)!.tl0PicIdx);
    expect(tl0.every((index, i) => i === 0 || index === (tl0[i - 1]! + 1) % 256)).toBe(true);
    expect(out.every(({ payload }) => readVp8Descriptor(payload)!.pictureIdBits === 15)).toBe(true);
    expect(out.every(({ payload }, i) => Buffer.compare(payload.subarray(6), i % 200 === 0 ? key : delta) === 0)).toBe(
      true,
    );
  });

  it('leaves payloads without picture ids as they are', () => {
    const { track, out } = output('vp8');
    track.select({ id: 1, timeBase: 1 });
    const payload = Uint8Array.of(0x10, ...key);
    track.forward(1, { sequenceNumber: 1, timestamp: 1, marker: true, payload }, 0);
    expect(out[0]!.payload).toBe(payload);
  });
});
