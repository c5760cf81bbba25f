import { describe, expect, it } from 'vitest';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import { keyframeSize, startsKeyframe } from '../../src/server/rtc/picture-start.js';
import { NAL, nalType, START_CODE, splitAnnexB } from '../../src/server/rtp/annex-b.js';
import { FrameAssembler } from '../../src/server/rtp/assembler.js';
import type { RtpPacketLike } from '../../src/server/rtp/packet.js';
import { carried, decodable, decoded, encoded, play, type SentPacket, sent } from '../support/rtp.js';

const FRAMES = 300;
const CODECS = ['vp8', 'h264'] as const;
const coded = { vp8: encoded('vp8', FRAMES), h264: encoded('h264', FRAMES) };

function assembler(codec: 'vp8' | 'h264') {
  const pictures: CodedPicture[] = [];
  const events: string[] = [];
  const assembler = new FrameAssembler({
    codec,
    onPicture: (picture) => {
      pictures.push(picture);
      events.push(picture.key ? 'key' : 'delta');
    },
    onKeyframeWanted: () => events.push('wanted'),
  });
  return { assembler, pictures, events };
}

/** Numbers of the pictures, by their times; all bytes are compared. */
function indices(pictures: readonly CodedPicture[], source: readonly CodedPicture[], firstTicks = 0): number[] {
  return pictures.map((picture) => {
    const index = (Math.round((picture.timestampUs * 9) / 100) - firstTicks) / 3000;
    expect(Buffer.compare(picture.data, source[index]!.data), `picture ${index}`).toBe(0);
    expect(picture.key).toBe(source[index]!.key);
    return index;
  });
}

describe.each(CODECS)('%s', (codec) => {
  it('gives every picture back, byte for byte, from a network without faults', () => {
    const source = coded[codec];
    const { assembler: under, pictures, events } = assembler(codec);
    play(
      carried(sent(source, { sequence: 65_000, timestamp: 2 ** 32 - 90_000, paddingEvery: 3 }), { seed: 1 }).arrivals,
      under,
    );
    expect(indices(pictures, source, 2 ** 32 - 90_000)).toEqual(source.map((_, i) => i));
    expect(events).not.toContain('wanted');
    expect(under.stats).toMatchObject({
      pictures: FRAMES,
      keyframes: FRAMES / 30,
      padding: (FRAMES / 3) * 2,
      lostPackets: 0,
    });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'loses nothing to jitter, reordering, duplicates, padding and wrapping (seed %i)',
    (seed) => {
      const source = coded[codec];
      const packets = sent(source, {
        sequence: 65_400,
        timestamp: 2 ** 32 - 300_000,
        pictureId: 32_700,
        paddingEvery: 4,
      });
      const { arrivals } = carried(packets, { seed, reordered: 0.05, duplicates: 0.03, jitterMs: 30 });
      const { assembler: under, pictures } = assembler(codec);
      play(arrivals, under);
      expect(indices(pictures, source, 2 ** 32 - 300_000)).toEqual(source.map((_, i) => i));
      expect(under.stats.reordered).toBeGreaterThan(20);
      expect(under.stats.duplicates).toBeGreaterThan(10);
      expect(under.stats.lostPackets).toBe(0);
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'tells exactly the pictures that can be decoded when two in a hundred packets are lost (seed %i)',
    (seed) => {
      const source = coded[codec];
      const packets = sent(source, { sequence: 65_400, pictureId: 32_700, paddingEvery: 5 });
      const { arrivals, lost } = carried(packets, {
        seed,
        loss: 0.02,
        reordered: 0.05,
        duplicates: 0.02,
        jitterMs: 30,
      });
      const { assembler: under, pictures, events } = assembler(codec);
      play(arrivals, under);
      const expected = decodable(source, packets, lost);
      expect(expected.length).toBeGreaterThan(5);
      expect(expected.length).toBeLessThan(FRAMES);
      expect(indices(pictures, source)).toEqual(expected);
      const wanted = events.flatMap((event, i) =>
        event === 'wanted' ? [events.slice(i + 1).find((e) => e !== 'wanted')] : [],
      );
      expect(wanted.length).toBeGreaterThan(0);
      expect(wanted.every((next) => next === 'key' || next === undefined)).toBe(true);
    },
  );

  it('gives a decoder pictures that it decodes to the very pixels of the whole stream', () => {
    const source = coded[codec];
    const packets = sent(source, { paddingEvery: 5 });
    const { arrivals } = carried(packets, { seed: 11, loss: 0.01, reordered: 0.05, jitterMs: 30 });
    const { assembler: under, pictures } = assembler(codec);
    play(arrivals, under);
    const reference = decoded(codec, source);
    const pixels = decoded(codec, pictures);
    expect(pixels.length).toBe(pictures.length);
    const order = indices(pictures, source);
    expect(order.length).toBeLessThan(FRAMES);
    for (const [n, picture] of pixels.entries()) {
      expect(Buffer.compare(picture, reference[order[n]!]!), `picture ${order[n]}`).toBe(0);
    }
  });

  it('finishes a picture whose marker is missing when the next one begins', () => {
    const source = coded[codec].slice(0, 40);
    const packets = sent(source).map((packet) => ({ ...packet, marker: false }));
    const { assembler: under, pictures } = assembler(codec);
    play(carried(packets, { seed: 1 }).arrivals, under);
    expect(indices(pictures, source)).toEqual(source.slice(1).map((_, i) => i));
  });

  it('waits 80 ms for a missing packet, and takes it when it comes in time', () => {
    const source = coded[codec].slice(0, 3);
    const packets = sent(source);
    const missing = packets.findIndex(({ picture }) => picture === 1);
    for (const [lateMs, told] of [
      [79, 3],
      [81, 1],
    ] as const) {
      const { assembler: under, pictures, events } = assembler(codec);
      for (const [i, packet] of packets.entries()) if (i !== missing) under.push(packet, 0);
      expect(pictures.length).toBe(1);
      expect(under.nextTickMs).toBe(80);
      under.push(packets[missing]!, lateMs);
      expect(pictures.length).toBe(told);
      expect(events.includes('wanted')).toBe(told === 1);
      expect(under.stats.late).toBe(told === 1 ? 1 : 0);
    }
  });

  it('begins anew with a sender that counts anew, and not for one stray packet', () => {
    const source = coded[codec].slice(0, 60);
    const first = sent(source, { sequence: 1000, timestamp: 7 });
    const second = sent(source, { sequence: 40_000, timestamp: 3_000_000_007 });
    const { assembler: under, pictures } = assembler(codec);
    const stray: SentPacket = { ...first[0]!, sequenceNumber: 30_000 };
    for (const [i, packet] of first.entries()) {
      if (i % 10 === 5) under.push({ ...stray, sequenceNumber: 20_000 + i * 17 }, packet.sentMs);
      under.push(packet, packet.sentMs);
    }
    expect(indices(pictures, source, 7)).toEqual(source.map((_, i) => i));
    expect(under.stats.resets).toBe(0);
    pictures.length = 0;
    for (const packet of second) under.push(packet, 10_000 + packet.sentMs);
    expect(indices(pictures, source, 3_000_000_007)).toEqual(source.map((_, i) => i));
    expect(under.stats.resets).toBe(1);
  });

  it('begins anew with a sender that goes on a little below', () => {
    const source = coded[codec];
    const { assembler: under, pictures } = assembler(codec);
    for (const packet of sent(source.slice(0, 30), { sequence: 1000 })) under.push(packet, packet.sentMs);
    pictures.length = 0;
    for (const packet of sent(source, { sequence: 600, timestamp: 90_000 })) under.push(packet, 5000 + packet.sentMs);
    const found = indices(pictures, source, 90_000);
    // From the first keyframe on that begins after the packets it took to be sure.
    expect(found.length).toBeGreaterThan(200);
    expect(found).toEqual(source.map((_, i) => i).slice(-found.length));
  });

  it('holds no more than its bounds, whatever is missing', () => {
    const { assembler: under, pictures } = assembler(codec);
    const payload = new Uint8Array(60_000).fill(1);
    let most = 0;
    // Every second packet is missing: nothing is whole, and all are held for a while.
    for (let i = 0; i < 4000; i++) {
      under.push({ sequenceNumber: (i * 2) & 0xffff, timestamp: i, marker: false, payload }, i / 1000);
      most = Math.max(most, under.heldBytes);
    }
    expect(pictures).toEqual([]);
    expect(most).toBeLessThanOrEqual(8 * 2 ** 20);
    expect(most).toBeGreaterThan(7 * 2 ** 20);
    expect(under.stats.gapsGivenUp).toBeGreaterThan(3000);
  });

  it('loses a picture that is larger than allowed, and goes on with the next keyframe', () => {
    const source = coded[codec].slice(0, 61);
    const most = Math.max(...source.slice(1).map(({ data }) => data.length));
    const large = { ...source[0]!, data: Uint8Array.from([...source[0]!.data, ...new Uint8Array(most).fill(1)]) };
    const pictures: CodedPicture[] = [];
    const under = new FrameAssembler({
      codec,
      maxPictureBytes: most,
      onPicture: (picture) => pictures.push(picture),
      onKeyframeWanted: () => {},
    });
    for (const packet of sent([large, ...source.slice(1)])) under.push(packet, packet.sentMs);
    expect(indices(pictures, source)).toEqual(source.map((_, i) => i).slice(30));
  });

  it('tells where a keyframe starts, and its size', () => {
    const packets = sent(coded[codec].slice(0, 2));
    const starts = packets.filter(({ payload }) => startsKeyframe(codec, payload));
    expect(starts.map(({ timestamp }) => timestamp)).toEqual([packets[0]!.timestamp]);
    expect(keyframeSize(codec, starts[0]!.payload)).toEqual({ width: 320, height: 180 });
  });
});

describe('vp8 beyond the gap', () => {
  /** A descriptor with everything, before a frame that is just numbers. */
  function packet(
    sequenceNumber: number,
    frame: { id: number; tl0: number; tid: number; sync?: boolean; key?: boolean; none?: boolean },
  ): RtpPacketLike {
    const body = frame.key ? coded.vp8[0]!.data : Uint8Array.of(0x11, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    const layer = (frame.tid << 6) | (frame.sync ? 0x20 : 0);
    const first = 0x90 | (frame.none ? 0x20 : 0);
    const payload = Uint8Array.of(first, 0xe0, 0x80 | (frame.id >> 8), frame.id & 0xff, frame.tl0, layer, ...body);
    return { sequenceNumber, timestamp: frame.id * 3000, marker: true, payload };
  }

  function told(packets: readonly RtpPacketLike[]): { ids: number[]; wanted: number } {
    const { assembler: under, pictures, events } = assembler('vp8');
    packets.forEach((p, i) => {
      under.push(p, i * 100);
      under.tick(i * 100 + 90);
    });
    return {
      ids: pictures.map(({ timestampUs }) => Math.round((timestampUs * 9) / 100) / 3000),
      wanted: events.filter((event) => event === 'wanted').length,
    };
  }

  const start = [packet(1, { id: 1, tl0: 1, tid: 0, key: true }), packet(2, { id: 2, tl0: 2, tid: 0 })];

  it('goes on where only padding was lost', () => {
    expect(told([...start, packet(5, { id: 3, tl0: 3, tid: 0 })])).toEqual({ ids: [1, 2, 3], wanted: 0 });
  });

  it('goes on with the base layer where only higher layers were lost, and without the layers above it', () => {
    const after = [
      packet(4, { id: 4, tl0: 3, tid: 0 }),
      packet(5, { id: 5, tl0: 3, tid: 1 }),
      packet(6, { id: 6, tl0: 3, tid: 1, sync: true }),
      packet(7, { id: 7, tl0: 4, tid: 0 }),
      packet(8, { id: 8, tl0: 5, tid: 0, key: true }),
      packet(9, { id: 9, tl0: 5, tid: 1 }),
    ];
    expect(told([...start, ...after])).toEqual({ ids: [1, 2, 4, 6, 7, 8, 9], wanted: 1 });
  });

  it('waits for a keyframe where a base layer frame was lost', () => {
    const after = [packet(4, { id: 4, tl0: 4, tid: 0 }), packet(5, { id: 5, tl0: 5, tid: 0 })];
    expect(told([...start, ...after]).ids).toEqual([1, 2]);
    expect(told([...start, ...after, packet(6, { id: 6, tl0: 6, tid: 0, key: true })])).toEqual({
      ids: [1, 2, 6],
      wanted: 1,
    });
  });

  it('does not miss part of a frame that nobody refers to', () => {
    const half = { ...packet(3, { id: 3, tl0: 2, tid: 1, none: true }), marker: false };
    const after = [half, packet(5, { id: 4, tl0: 3, tid: 0 }), packet(6, { id: 5, tl0: 3, tid: 1 })];
    expect(told([...start, ...after])).toEqual({ ids: [1, 2, 4, 5], wanted: 0 });
  });
});

describe('h264 parameter sets', () => {
  const nals = (picture: CodedPicture) => splitAnnexB(picture.data);
  const types = (picture: CodedPicture) => nals(picture).map((nal) => nalType(nal));
  const unit = (list: readonly Uint8Array[], picture: CodedPicture): CodedPicture => ({
    ...picture,
    data: Uint8Array.from(Buffer.concat(list.flatMap((nal) => [START_CODE, nal]))),
  });
  const isSet = (nal: Uint8Array) => nalType(nal) === NAL.sps || nalType(nal) === NAL.pps;

  it('puts sets that came by themselves before the keyframe', () => {
    const [key] = coded.h264 as [CodedPicture];
    const sets = { ...unit(nals(key).filter(isSet), key), timestampUs: 0 };
    const rest = {
      ...unit(
        nals(key).filter((nal) => !isSet(nal)),
        key,
      ),
      timestampUs: 100_000,
    };
    const { assembler: under, pictures } = assembler('h264');
    for (const packet of sent([sets, rest])) under.push(packet, packet.sentMs);
    expect(pictures.map(({ timestampUs, key }) => [timestampUs, key])).toEqual([[100_000, true]]);
    expect(types(pictures[0]!).slice(0, 2)).toEqual([NAL.sps, NAL.pps]);
  });

  it('remembers sets for keyframes that come without them, and takes them from the SDP', () => {
    const sets = nals(coded.h264[0]!).filter(isSet);
    const bare = coded.h264.slice(0, 61).map((picture) =>
      unit(
        nals(picture).filter((nal) => !isSet(nal)),
        picture,
      ),
    );
    const pictures: CodedPicture[] = [];
    const under = new FrameAssembler({
      codec: 'h264',
      onPicture: (picture) => pictures.push(picture),
      onKeyframeWanted: () => {},
      parameterSets: sets,
    });
    for (const packet of sent(bare)) under.push(packet, packet.sentMs);
    // Whether the first packet that came was the first one of its picture cannot be told without sets in it.
    expect(pictures.length).toBe(31);
    for (const i of [0, 30]) expect(types(pictures[i]!).slice(0, 2)).toEqual([NAL.sps, NAL.pps]);
    expect(decoded('h264', pictures).length).toBe(31);
    const none = assembler('h264');
    for (const packet of sent(bare)) none.assembler.push(packet, packet.sentMs);
    expect(none.pictures).toEqual([]);
    expect(none.events).toContain('wanted');
  });

  it('does not decode a keyframe with old sets where its own were lost', () => {
    const source = coded.h264.slice(0, 31);
    const packets = sent(source);
    const at = packets.findIndex(({ picture }) => picture === 30);
    const { assembler: under, pictures } = assembler('h264');
    packets.forEach((packet, i) => {
      if (i !== at) under.push(packet, packet.sentMs);
    });
    under.tick(10_000);
    expect(pictures.length).toBe(30);
  });

  it('does not believe old sets after a gap, where keyframes have brought their own', () => {
    const source = coded.h264.slice(0, 91);
    const bare = source.map((picture, i) =>
      i === 60
        ? unit(
            nals(picture).filter((nal) => !isSet(nal)),
            picture,
          )
        : picture,
    );
    // Sets of picture 60 could have been in what is lost.
    const packets = sent(bare).filter(({ picture }) => picture !== 58);
    const { assembler: under, pictures } = assembler('h264');
    for (const packet of packets) under.push(packet, packet.sentMs);
    expect(indices(pictures, bare)).toEqual([...source.map((_, i) => i).slice(0, 58), 90]);
  });
});
