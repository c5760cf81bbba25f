import type { CodedPicture } from '../codecs/codec.js';
import { NAL } from './annex-b.js';
import { beginsNal } from './h264.js';
import { type RtpPacketLike, ticksOf } from './packet.js';
import { MAX_PAYLOAD_BYTES, packetizeH264, packetizeVp8 } from './packetizer.js';
import { SequenceMap } from './sequence-map.js';
import { type TimeBase, Timeline } from './timeline.js';
import { modulo, unwrapNear } from './unwrap.js';
import { startsVp8Keyframe } from './vp8.js';
import { Vp8Numbers } from './vp8-numbers.js';

/** Newest packets of a source that is waited for: a keyframe whose first packet is late is not lost. */
const MOST_RECENT = 64;

/** Something that pictures can come from. */
export interface OutputSource {
  readonly id: string | number;
  /** Sources with the same one have the same clock: a publisher's packets, and our pictures made of them. */
  readonly timeBase: TimeBase;
}

/** Choices for an {@link OutputTrack}. */
export interface OutputTrackOptions {
  readonly codec: 'vp8' | 'h264';
  /** Takes an outgoing packet. */
  readonly send: (packet: RtpPacketLike) => void;
  /** A keyframe of this source is needed. Not repeated while none comes; see `KeyframeRequests`. */
  readonly onKeyframeWanted?: (id: OutputSource['id']) => void;
  /** Longest payload of packets of our own. 1,160 bytes when left out. */
  readonly maxPayloadBytes?: number;
  /** Where numbers begin. Random when left out (RFC 3550, section 5.1). */
  readonly first?: { readonly sequenceNumber: number; readonly timestamp: number; readonly pictureId: number };
}

/** What an {@link OutputTrack} has counted. */
export interface OutputTrackStats {
  packets: number;
  /** Times another source, or the same one anew, took over. */
  switches: number;
  /** Packets and pictures of the source being sent that were not: padding, duplicates, too late. */
  dropped: number;
}

/**
 * One continuous RTP stream of sources that change: packets of a publisher as they come, or pictures of our own. A source
 * takes over with a keyframe; until then the one before goes on. Sequence numbers, timestamps, picture ids and TL0PICIDX go on
 * across a switch, so receivers see one sender.
 *
 * - Packets that are missing stay missing in what is sent; empty ones (padding) are left out without a gap.
 * - A source that is left within a picture leaves a gap of one, so that nobody takes the part for the whole.
 * - H.264 is taken up where a keyframe brings its sequence parameter set, as WebRTC senders do.
 * - Pictures of our own that lag behind packets already sent follow them a tick apart until they have caught up.
 */
export class OutputTrack {
  readonly stats: OutputTrackStats = { packets: 0, switches: 0, dropped: 0 };
  readonly #options: OutputTrackOptions;
  readonly #timeline: Timeline;
  readonly #numbers: Vp8Numbers;
  #selected: OutputSource | undefined;
  #current: OutputSource | undefined;
  /** Of the source being sent, where it is forwarded. */
  #map: SequenceMap | undefined;
  /** Newest packets of the source that is waited for, in the order they came, by their numbers, unwrapped. */
  #recent: { readonly sequence: number; readonly packet: RtpPacketLike }[] = [];
  /** The last outgoing sequence number, unwrapped. */
  #sequence: number;
  /** Whether the last packet ended its picture. */
  #ended = true;

  constructor(options: OutputTrackOptions) {
    this.#options = options;
    const first = options.first ?? {
      // From the lower half: with SRTP, a first packet that is lost just before wrapping is a pitfall (RFC 3711, section 3.3.1).
      sequenceNumber: Math.floor(Math.random() * 2 ** 15),
      timestamp: Math.floor(Math.random() * 2 ** 32),
      pictureId: Math.floor(Math.random() * 2 ** 15),
    };
    this.#sequence = first.sequenceNumber - 1;
    this.#timeline = new Timeline(first.timestamp);
    this.#numbers = new Vp8Numbers(first.pictureId);
  }

  /** The source whose packets are sent now. */
  get current(): OutputSource | undefined {
    return this.#current;
  }

  /** The source that was chosen. */
  get selected(): OutputSource | undefined {
    return this.#selected;
  }

  /** Whether the chosen source has yet to take over with a keyframe. */
  get waiting(): boolean {
    return this.#selected !== undefined && this.#current !== this.#selected;
  }

  /** Chooses the source that takes over with its next keyframe. With none, nothing is sent any more. */
  select(source: OutputSource | undefined): void {
    if (source && same(source, this.#selected)) return;
    this.#recent = [];
    this.#selected = source;
    // The same sender with another clock has begun again: its numbers go on from nothing.
    if (!source || (source.id === this.#current?.id && !same(source, this.#current))) this.#leave();
    if (!source) return;
    if (same(source, this.#current)) this.#selected = this.#current;
    else this.#options.onKeyframeWanted?.(source.id);
  }

  /** Takes a packet of a source that is forwarded. Packets of sources that are neither sent nor chosen are passed over. */
  forward(id: OutputSource['id'], packet: RtpPacketLike, nowMs: number): void {
    if (this.#current?.id === id && this.#map) this.#send(this.#map, packet, nowMs);
    else if (this.#selected?.id === id && this.waiting) this.#await(this.#selected, packet, nowMs);
  }

  /** Takes a picture of our own, in decoding order. */
  picture(id: OutputSource['id'], picture: CodedPicture, nowMs: number): void {
    if (picture.codec !== this.#options.codec) throw new TypeError(`This track sends ${this.#options.codec} only.`);
    const taking = this.#selected;
    if (picture.key && taking?.id === id && this.waiting) this.#take(taking, undefined);
    const source = this.#current;
    if (source?.id !== id || this.#map) return;
    const payloads = this.#packetize(picture);
    if (payloads.length === 0) return;
    const ticks = modulo(ticksOf(picture.timestampUs), 2 ** 32);
    const timestamp = this.#timeline.place(source.timeBase, ticks, nowMs, true);
    const last = payloads.length - 1;
    payloads.forEach((payload, i) => {
      this.#emit(++this.#sequence, timestamp, i === last, payload);
    });
    this.#ended = true;
  }

  #packetize({ data }: CodedPicture): Uint8Array[] {
    const most = this.#options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES;
    if (this.#options.codec === 'h264') return packetizeH264(data, most);
    return data.length === 0 ? [] : packetizeVp8(data, { pictureId: this.#numbers.nextPictureId() }, most);
  }

  #send(map: SequenceMap, packet: RtpPacketLike, nowMs: number): void {
    const empty = packet.payload.length === 0;
    const mapped = map.map(packet.sequenceNumber, empty);
    if (mapped.kind === 'restart') {
      const source = this.#current;
      this.#leave();
      if (source && source === this.#selected) {
        this.#options.onKeyframeWanted?.(source.id);
        this.#await(source, packet, nowMs);
      }
      return;
    }
    if (mapped.kind === 'drop') {
      this.stats.dropped++;
      return;
    }
    const { sequence, newest } = mapped;
    if (newest) {
      this.#sequence = sequence;
      this.#ended = packet.marker;
    }
    const rewrites = this.#options.codec === 'vp8' && !empty;
    const payload = rewrites ? this.#numbers.rewrite(packet.payload, newest) : packet.payload;
    this.#emit(sequence, this.#timeline.map(packet.timestamp, nowMs), packet.marker, payload);
  }

  /** Looks for the keyframe of a source that was chosen. */
  #await(source: OutputSource, packet: RtpPacketLike, nowMs: number): void {
    const last = this.#recent[this.#recent.length - 1];
    const sequence = last ? unwrapNear(packet.sequenceNumber, last.sequence, 16) : packet.sequenceNumber;
    this.#recent.push({ sequence, packet });
    if (this.#recent.length > MOST_RECENT) this.#recent.shift();
    if (!this.#startsKeyframe(packet.payload)) return;
    // Packets that overtook it are here, unless they are too many; then part of the keyframe is lost.
    const later = this.#recent.filter((other) => other.sequence > sequence && other.sequence < sequence + 2 ** 14);
    later.sort((a, b) => a.sequence - b.sequence);
    const newest = later[later.length - 1];
    if (newest && newest.sequence - sequence >= MOST_RECENT) return;
    const map = new SequenceMap(sequence, this.#sequence + 1 + (this.#ended ? 0 : 1));
    this.#timeline.place(source.timeBase, packet.timestamp, nowMs, false);
    if (this.#options.codec === 'vp8') this.#numbers.begin(packet.payload);
    this.#take(source, map);
    this.#send(map, packet, nowMs);
    for (const other of later) this.#send(map, other.packet, nowMs);
  }

  #startsKeyframe(payload: Uint8Array): boolean {
    return this.#options.codec === 'vp8' ? startsVp8Keyframe(payload) : beginsNal(payload, NAL.sps);
  }

  #take(source: OutputSource, map: SequenceMap | undefined): void {
    if (!map && !this.#ended) this.#sequence++;
    this.#ended = true;
    this.#current = source;
    this.#map = map;
    this.#recent = [];
    this.stats.switches++;
  }

  #leave(): void {
    this.#current = undefined;
    this.#map = undefined;
  }

  #emit(sequence: number, timestamp: number, marker: boolean, payload: Uint8Array): void {
    this.stats.packets++;
    this.#options.send({ sequenceNumber: modulo(sequence, 2 ** 16), timestamp, marker, payload });
  }
}

function same(a: OutputSource, b: OutputSource | undefined): boolean {
  return a.id === b?.id && a.timeBase === b.timeBase;
}
