import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { CodedPicture } from '../../src/server/codecs/codec.js';
import type { OpenProcessor, ProcessorListener } from '../../src/server/processor.js';
import type { WatchedVideo } from '../../src/server/rooms.js';
import { Broadcast } from '../../src/server/rtc/broadcast.js';
import { DEFAULT_LIMITS } from '../../src/server/rtc/options.js';
import { planPublisher, planViewer } from '../../src/server/rtc/plan.js';
import { Publisher } from '../../src/server/rtc/publisher.js';
import { readRtcp, senderReport } from '../../src/server/rtc/rtcp.js';
import { readRtp } from '../../src/server/rtc/rtp-packet.js';
import { readOffer } from '../../src/server/rtc/sdp.js';
import { msToNtp, ntpToMs } from '../../src/server/rtc/sender-clock.js';
import type { OutgoingHeader, Transport } from '../../src/server/rtc/transport.js';
import { Viewer } from '../../src/server/rtc/viewer.js';
import { rtp } from '../fuzz/datagrams.js';
import { OFFERS } from '../fuzz/targets/sdp.js';

/*
 * In virtual time: the publisher captures sound and pictures at known instants, and what viewers are sent is taken apart as
 * their receivers do it. How it looks and sounds in a browser is measured by `npm run bench:server -- --part av-sync`.
 */

const EPOCH_MS = 1_700_000_000_000;
/** How far the publisher's clock is from ours. */
const ASTRAY_MS = 12_345_678;
const FRAME_MS = 40;
const AUDIO_MS = 20;
const TICK_MS = 10;
const KEY_EVERY = 25;
/** From capturing to arriving: an encoder of pictures takes longer than one of sound. */
const ON_ITS_WAY_MS = { video: 60, audio: 15 } as const;
const RATE = { video: 90_000, audio: 48_000 } as const;
const FIRST_TIMESTAMP = { video: 2 ** 32 - 90_000, audio: 77_777 } as const;
const SSRC = { video: 11, audio: 12 } as const;
type Kind = keyof typeof RATE;

/** What a viewer was sent of one picture or one packet of sound: which it is, when, and the timestamp. */
interface Sent {
  readonly index: number;
  readonly atMs: number;
  readonly timestamp: number;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: EPOCH_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A viewer's end of a connection, which reads what it is sent. */
class Receiver {
  readonly connected = true;
  readonly sent: Record<Kind, Sent[]> = { video: [], audio: [] };
  /** The last sender report: the wall clock's milliseconds of a timestamp. */
  readonly reports = new Map<Kind, { readonly ms: number; readonly timestamp: number }>();

  constructor(readonly now: () => number) {}

  sendRtp(header: OutgoingHeader, payload: Uint8Array): void {
    const packet = readRtp(Buffer.concat([header.serialize(header.serializeSize), payload]))!;
    const kind = packet.ssrc === SSRC.video ? 'video' : 'audio';
    const index = Buffer.from(packet.payload).readUInt32BE(packet.payload.length - 4);
    this.sent[kind].push({ index, atMs: this.now(), timestamp: packet.timestamp });
  }

  sendRtcp(packets: readonly Buffer[]): void {
    for (const message of readRtcp(Buffer.concat(packets))) {
      if (message.type !== 'sender-report') continue;
      const kind = message.ssrc === SSRC.video ? 'video' : 'audio';
      this.reports.set(kind, { ms: ntpToMs(message.ntpTimestamp), timestamp: message.rtpTimestamp });
    }
  }

  /** When something was captured, as a receiver reckons: by it sound and pictures are played together. */
  captureMs(kind: Kind, { timestamp }: Sent): number {
    const report = this.reports.get(kind)!;
    return report.ms + (((timestamp - report.timestamp) | 0) * 1000) / RATE[kind];
  }
}

/** One stream, its publisher, and a viewer of each of its forms. */
class Stage {
  nowMs = 0;
  /** What the processor takes for a picture; it says so. */
  delayMs = 0;
  readonly receivers: Record<WatchedVideo, Receiver>;
  readonly #broadcast: Broadcast;
  readonly #publisher: Publisher;
  readonly #plan = planPublisher(readOffer(OFFERS.get('aiortc-publisher')!));
  readonly #inside: { readonly picture: CodedPicture; readonly dueMs: number }[] = [];
  readonly #captured: Record<Kind, number> = { video: 0, audio: 0 };
  #listener!: ProcessorListener;
  #forwarding = false;

  constructor() {
    const openProcessor: OpenProcessor = (_, listener) => {
      this.#listener = listener;
      return {
        push: (picture) => {
          this.#inside.push({ picture, dueMs: this.nowMs + this.delayMs });
          return true;
        },
        requestKeyframe: () => {},
        setBitrate: () => {},
        close: () => {},
      };
    };
    this.#broadcast = new Broadcast({
      codec: 'vp8',
      limits: DEFAULT_LIMITS,
      openProcessor,
      pixelsPerSecond: () => 1e9,
      now: () => this.nowMs,
      event: () => {},
      endPublisher: () => {},
      metrics: undefined,
    });
    const silent = { connected: true, sendRtp: () => {}, sendRtcp: () => {} } as unknown as Transport;
    const media = {
      video: (packet: Parameters<Broadcast['video']>[0], layer: number) => this.#broadcast.video(packet, layer),
      audio: (packet: Parameters<Broadcast['audio']>[0]) => this.#broadcast.audio(packet),
      keyframeWanted: () => {},
      uses: (layer: number) => this.#broadcast.uses(layer),
      end: () => {},
    };
    this.#publisher = new Publisher(this.#plan, silent, DEFAULT_LIMITS, media, this.nowMs);
    this.#broadcast.follow('publisher', this.#publisher);
    this.receivers = { source: this.#watch('source'), upscaled: this.#watch('upscaled') };
  }

  /** Lets time pass. */
  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs++;
      vi.setSystemTime(EPOCH_MS + this.nowMs);
      for (const kind of ['video', 'audio'] as const) this.#publish(kind);
      if (this.nowMs % 1000 === 0) for (const kind of ['video', 'audio'] as const) this.#report(kind);
      while (this.#inside[0] && this.#inside[0].dueMs <= this.nowMs) {
        const { picture } = this.#inside.shift()!;
        if (!this.#forwarding) this.#listener.picture(picture);
      }
      if (this.nowMs % 250 === 0 && !this.#forwarding) this.#listener.delay(this.delayMs);
      if (this.nowMs % TICK_MS === 0) this.#broadcast.tick(this.nowMs);
    }
  }

  /** The machine is too busy, and the publisher's own packets go out; or not any more. */
  forward(on: boolean): void {
    this.#forwarding = on;
    this.#inside.length = 0;
    if (on) this.#listener.delay(0);
    this.#listener.forward(on);
  }

  #watch(video: WatchedVideo): Receiver {
    const receiver = new Receiver(() => this.nowMs);
    const offer = readOffer(OFFERS.get('chromium-viewer')!);
    const ssrcs = offer.media.map(({ kind }) => (kind === 'video' ? SSRC.video : SSRC.audio));
    const names = { cname: 'a', streamId: 'b' };
    const plan = planViewer(offer, { videoCodec: 'vp8', audio: true }, names, () => ssrcs.shift()!);
    const transport = receiver as unknown as Transport;
    this.#broadcast.add(
      new Viewer(video, video, plan, 'a', transport, { keyframeWanted: () => {}, feedback: () => {} }),
    );
    return receiver;
  }

  #publish(kind: Kind): void {
    const everyMs = kind === 'video' ? FRAME_MS : AUDIO_MS;
    const index = this.#captured[kind];
    if (this.nowMs < index * everyMs + ON_ITS_WAY_MS[kind]) return;
    this.#captured[kind]++;
    const { payloadType } = kind === 'video' ? this.#plan.video : this.#plan.audio!;
    const data = rtp({
      payloadType,
      marker: kind === 'video',
      sequenceNumber: index & 0xffff,
      timestamp: timestampAt(kind, index * everyMs),
      ssrc: kind === 'video' ? 1 : 2,
      payload: kind === 'video' ? vp8(index) : numbered(index),
    });
    this.#publisher.rtp(readRtp(data)!, this.nowMs);
  }

  #report(kind: Kind): void {
    const [message] = readRtcp(
      senderReport(kind === 'video' ? 1 : 2, {
        ntpTimestamp: msToNtp(EPOCH_MS + ASTRAY_MS + this.nowMs),
        rtpTimestamp: timestampAt(kind, this.nowMs),
        packetCount: 1,
        octetCount: 1,
      }),
    );
    this.#publisher.rtcp(message!, this.nowMs);
  }
}

function timestampAt(kind: Kind, ms: number): number {
  return (FIRST_TIMESTAMP[kind] + (ms * RATE[kind]) / 1000) >>> 0;
}

function numbered(index: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(index);
  return data;
}

/** A whole picture of 64x48 in one payload (RFC 7741, section 4). */
function vp8(index: number): Buffer {
  const key = [0x10, 0x9d, 1, 0x2a, 64, 0, 48, 0];
  const head = index % KEY_EVERY === 0 ? [0x10, ...[0x10, 0, 0], ...key.slice(1)] : [0x10, 0x11, 0, 0];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(20, 7), numbered(index)]);
}

/** How much later one viewer was sent the same things than another, of the last ones that both have. */
function laterMs(stage: Stage, kind: Kind): { readonly least: number; readonly most: number } {
  const { source, upscaled } = stage.receivers;
  const asSent = new Map(source.sent[kind].map(({ index, atMs }) => [index, atMs]));
  const last = upscaled.sent[kind].slice(-20).map(({ index, atMs }) => atMs - asSent.get(index)!);
  expect(last).toHaveLength(20);
  return { least: Math.min(...last), most: Math.max(...last) };
}

/** Expects that both are as late as the processor is, and sound by no more than the next tick. */
function expectLater(stage: Stage, delayMs: number): void {
  expect(laterMs(stage, 'video')).toEqual({ least: delayMs, most: delayMs });
  const audio = laterMs(stage, 'audio');
  expect(audio.least).toBeGreaterThanOrEqual(delayMs);
  expect(audio.most).toBeLessThanOrEqual(delayMs + TICK_MS);
}

/** Expects that receivers are told when things were captured, both kinds on one time line. */
function expectTold(stage: Stage): void {
  for (const receiver of Object.values(stage.receivers)) {
    const offsets = (['video', 'audio'] as const).flatMap((kind) =>
      receiver.sent[kind]
        .slice(-20)
        .map((sent) => receiver.captureMs(kind, sent) - sent.index * (kind === 'video' ? FRAME_MS : AUDIO_MS)),
    );
    expect(offsets).toHaveLength(40);
    expect(Math.max(...offsets) - Math.min(...offsets)).toBeLessThan(0.1);
  }
}

it.each([0, 45, 150])('upscaling that takes %i ms delays sound as much as pictures', (delayMs) => {
  const stage = new Stage();
  stage.delayMs = delayMs;
  stage.pass(6000);
  expectLater(stage, delayMs);
  expectTold(stage);
});

it('sound follows where upscaling takes longer, shorter, is left out, and begins again', () => {
  const stage = new Stage();
  for (const delayMs of [30, 200, 70]) {
    stage.delayMs = delayMs;
    stage.pass(5000);
    expectLater(stage, delayMs);
    expectTold(stage);
  }
  stage.forward(true);
  stage.pass(5000);
  expectLater(stage, 0);
  expectTold(stage);
  stage.forward(false);
  stage.delayMs = 100;
  stage.pass(5000);
  expectLater(stage, 100);
  expectTold(stage);
});
