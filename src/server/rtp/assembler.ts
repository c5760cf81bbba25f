import type { CodedPicture } from '../codecs/codec.js';
import type { Depacketizer } from './depacketizer.js';
import { H264Depacketizer } from './h264.js';
import { microsecondsOf, type RtpPacketLike } from './packet.js';
import { ReorderBuffer, SPAN } from './reorder-buffer.js';
import { Unwrapper, unwrapNear } from './unwrap.js';
import { Vp8Depacketizer } from './vp8.js';

/** Room for packets of before the first one that comes: the network may have reordered the beginning. */
const BEFORE_FIRST = 16;
/** A number this near behind another confirms that the sender counts anew. */
const CONFIRMS = 16;
/** So many packets from the past, and none else: the sender has begun again a little below. */
const MOST_STALE = 64;

/** Choices for a {@link FrameAssembler}. */
export interface AssemblerOptions {
  readonly codec: 'vp8' | 'h264';
  /** A picture, in decoding order. Everything that it refers to has been told before. */
  readonly onPicture: (picture: CodedPicture) => void;
  /** Pictures are lost, and only a keyframe helps. Told once for each loss; see `KeyframeRequests` for asking again. */
  readonly onKeyframeWanted: () => void;
  /** How long a missing packet is waited for, in milliseconds. 80 when left out. */
  readonly gapMs?: number;
  /** A larger picture is lost. 4 MiB when left out. */
  readonly maxPictureBytes?: number;
  /** Payloads that are held back at most, in bytes. 8 MiB when left out. */
  readonly maxHeldBytes?: number;
  /** H.264 parameter sets told elsewhere, as in the SDP's `sprop-parameter-sets` (RFC 6184, section 8.1). */
  readonly parameterSets?: readonly Uint8Array[];
}

/** What a {@link FrameAssembler} has counted. */
export interface AssemblerStats {
  packets: number;
  /** Pictures that were whole and could be decoded, keyframes among them. */
  pictures: number;
  keyframes: number;
  /** Packets that never came, or too late. */
  lostPackets: number;
  /** Gaps that were given up. */
  gapsGivenUp: number;
  reordered: number;
  duplicates: number;
  /** Packets for a gap that had been given up. */
  late: number;
  /** Packets without payload. */
  padding: number;
  /** Payloads that broke their picture. */
  malformed: number;
  /** Times the sender's numbers began anew. */
  resets: number;
}

/**
 * Makes whole pictures of the RTP packets of one video stream. Packets are taken in the order of their sequence numbers; one
 * that is missing is waited for, then given up with the picture it belongs to. No picture is told whose references may be
 * missing. Bounded in packets, bytes and distance, whatever comes.
 *
 * No clock inside: call {@link tick} at {@link nextTickMs}. The times of pictures are those of the RTP timestamps, unwrapped;
 * they begin anew when the sender's numbers do.
 */
export class FrameAssembler {
  readonly stats: AssemblerStats = {
    packets: 0,
    pictures: 0,
    keyframes: 0,
    lostPackets: 0,
    gapsGivenUp: 0,
    reordered: 0,
    duplicates: 0,
    late: 0,
    padding: 0,
    malformed: 0,
    resets: 0,
  };
  readonly #options: AssemblerOptions;
  readonly #gapMs: number;
  readonly #maxHeldBytes: number;
  readonly #format: Depacketizer;
  readonly #held = new ReorderBuffer();
  readonly #timestamps = new Unwrapper(32);
  /** The sequence number that is due, unwrapped. `undefined` before the first packet. */
  #next: number | undefined;
  #highest = 0;
  /** Nothing has been taken yet: packets from before the first one may still come. */
  #joining = false;
  /** When it was noticed that the next packet is missing. */
  #gapSinceMs: number | undefined;
  /** The RTP timestamp of the picture being collected. */
  #timestamp: number | undefined;
  /** A packet far from all others: the sender may count anew. */
  #stray: RtpPacketLike | undefined;
  #stale = 0;

  constructor(options: AssemblerOptions) {
    this.#options = options;
    this.#gapMs = options.gapMs ?? 80;
    this.#maxHeldBytes = options.maxHeldBytes ?? 8 * 1024 * 1024;
    const most = options.maxPictureBytes ?? 4 * 1024 * 1024;
    const wanted = () => options.onKeyframeWanted();
    this.#format = options.codec === 'vp8' ? new Vp8Depacketizer(most, wanted) : new H264Depacketizer(most, wanted);
    this.#remember();
  }

  /** Whether pictures are left out until a keyframe comes. */
  get waiting(): boolean {
    return this.#format.waiting;
  }

  /** When {@link tick} is due, in the caller's milliseconds. `undefined` when nothing is waited for. */
  get nextTickMs(): number | undefined {
    return this.#gapSinceMs === undefined ? undefined : this.#gapSinceMs + this.#gapMs;
  }

  /** Bytes of payloads that are held back behind a missing packet. */
  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Takes a packet. Its payload must not be changed afterwards. */
  push(packet: RtpPacketLike, nowMs: number): void {
    this.stats.packets++;
    this.tick(nowMs);
    if (this.#next === undefined) this.#join(packet);
    const next = this.#next ?? 0;
    const sequence = unwrapNear(packet.sequenceNumber, this.#highest, 16);
    const ahead = sequence - next;
    if (ahead >= SPAN || ahead < -SPAN) {
      this.#takeStray(packet, nowMs);
      return;
    }
    this.#stray = undefined;
    if (ahead < 0) {
      this.#takeStale(sequence, packet, nowMs);
      return;
    }
    this.#stale = 0;
    if (this.#held.came(sequence)) {
      this.stats.duplicates++;
      return;
    }
    if (sequence < this.#highest) this.stats.reordered++;
    else this.#highest = sequence;
    if (ahead === 0 && this.#held.count === 0) {
      this.#held.note(sequence);
      this.#next = next + 1;
      this.#joining = false;
      this.#consume(packet);
      return;
    }
    this.#held.put(sequence, packet, nowMs);
    const waiting = this.#format.waiting && this.#timestamp === undefined;
    if (ahead === 0) this.#drain();
    else if (waiting && this.#format.startsKeyframe(packet.payload)) this.#goTo(sequence);
    else this.#gapSinceMs ??= nowMs;
    while (this.#held.bytes > this.#maxHeldBytes) this.#giveUp();
  }

  /** Gives up gaps that have been waited for long enough. */
  tick(nowMs: number): void {
    while ((this.nextTickMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#giveUp();
  }

  /** The next packet is of another stream, as after a change of SSRC. */
  reset(): void {
    this.#forget();
    this.#stray = undefined;
  }

  #forget(): void {
    this.stats.resets++;
    this.#held.clear();
    this.#format.reset();
    this.#remember();
    this.#timestamps.reset();
    this.#next = undefined;
    this.#gapSinceMs = undefined;
    this.#timestamp = undefined;
    this.#stale = 0;
  }

  #remember(): void {
    for (const nal of this.#options.parameterSets ?? []) this.#format.remember?.(nal);
  }

  #join(packet: RtpPacketLike): void {
    this.#highest = packet.sequenceNumber;
    const begins = this.#format.startsKeyframe(packet.payload);
    this.#next = begins ? packet.sequenceNumber : packet.sequenceNumber - BEFORE_FIRST;
    this.#joining = !begins;
  }

  /** A number far from all others is let in when the next packet goes on from it. */
  #takeStray(packet: RtpPacketLike, nowMs: number): void {
    const stray = this.#stray;
    this.#stray = packet;
    if (!stray) return;
    const step = unwrapNear(packet.sequenceNumber, stray.sequenceNumber, 16) - stray.sequenceNumber;
    if (step < 1 || step > CONFIRMS) return;
    this.#stray = undefined;
    this.#forget();
    this.push(stray, nowMs);
    this.push(packet, nowMs);
    this.stats.packets -= 2;
  }

  #takeStale(sequence: number, packet: RtpPacketLike, nowMs: number): void {
    if (this.#held.came(sequence)) this.stats.duplicates++;
    else this.stats.late++;
    if (++this.#stale < MOST_STALE) return;
    this.#forget();
    this.push(packet, nowMs);
    this.stats.packets--;
  }

  /** Consumes packets up to the next gap. */
  #drain(): void {
    this.#joining = false;
    for (;;) {
      const next = this.#next ?? 0;
      const packet = this.#held.take(next);
      if (!packet) break;
      this.#next = next + 1;
      this.#consume(packet);
    }
    const lowest = this.#held.lowest(this.#next ?? 0);
    this.#gapSinceMs = lowest === undefined ? undefined : this.#held.arrivedMs(lowest);
  }

  #giveUp(): void {
    const lowest = this.#held.lowest(this.#next ?? 0);
    if (lowest === undefined) this.#gapSinceMs = undefined;
    else this.#goTo(lowest);
  }

  /** Leaves out what is missing before this packet, which is held, and all that is held before it. */
  #goTo(sequence: number): void {
    const next = this.#next ?? 0;
    let missing = sequence - next;
    for (let before = next; before < sequence; before++) if (this.#held.take(before)) missing--;
    if (!this.#joining) {
      this.stats.gapsGivenUp++;
      this.stats.lostPackets += missing;
    }
    this.#timestamp = undefined;
    this.#next = sequence;
    this.#format.gap(sequence - next);
    this.#drain();
  }

  #consume(packet: RtpPacketLike): void {
    if (packet.payload.length === 0) {
      this.stats.padding++;
      return;
    }
    if (this.#timestamp !== undefined && packet.timestamp !== this.#timestamp) this.#finish();
    this.#timestamp = packet.timestamp;
    if (!this.#format.add(packet.payload)) this.stats.malformed++;
    if (packet.marker) this.#finish();
  }

  #finish(): void {
    const ticks = this.#timestamps.unwrap(this.#timestamp ?? 0);
    this.#timestamp = undefined;
    const whole = this.#format.finish();
    if (!whole) return;
    this.stats.pictures++;
    if (whole.key) this.stats.keyframes++;
    const { codec } = this.#options;
    this.#options.onPicture({ codec, data: whole.data, key: whole.key, timestampUs: microsecondsOf(ticks) });
  }
}
