import { randomInt } from 'node:crypto';
import type { CodedPicture } from '../codecs/codec.js';
import type { WatchedVideo } from '../rooms.js';
import { type OutputSource, OutputTrack } from '../rtp/output-track.js';
import { Continuity } from './continuity.js';
import { OutgoingTrack } from './outgoing-track.js';
import type { SentTrack, ViewerPlan } from './plan.js';
import type { RtcpMessage } from './rtcp.js';
import type { RtpPacket } from './rtp-packet.js';
import type { Transport } from './transport.js';

/** What a {@link Viewer} tells. */
export interface ViewerListener {
  /** Its picture is broken, or it has none yet. */
  keyframeWanted(viewer: Viewer): void;
  /** How much gets through: a fraction of packets lost, and what it takes, in bits a second. */
  reception(viewer: Viewer, report: { fractionLost?: number; maxBitrate?: number; roundTripMs?: number }): void;
}

const VIDEO_CLOCK = 90_000;
const AUDIO_CLOCK = 48_000;

/** The media of one viewer. Signalling and connecting are elsewhere. */
export class Viewer {
  readonly watches: WatchedVideo;
  readonly #listener: ViewerListener;
  readonly video: OutgoingTrack | undefined;
  readonly audio: OutgoingTrack | undefined;
  readonly #audioNumbers = randomNumbers(AUDIO_CLOCK);
  /** Whatever its video comes from, the viewer sees one stream. */
  readonly output: OutputTrack;
  #captureMs: number | undefined;
  #nowMs = 0;

  constructor(
    watches: WatchedVideo,
    codec: 'vp8' | 'h264',
    plan: ViewerPlan,
    cname: string,
    transport: Transport,
    listener: ViewerListener,
  ) {
    this.watches = watches;
    this.#listener = listener;
    const track = (sent: SentTrack | undefined, clockRate: number): OutgoingTrack | undefined =>
      sent && new OutgoingTrack(transport, sent, clockRate, cname);
    this.video = track(plan.video, VIDEO_CLOCK);
    this.audio = track(plan.audio, AUDIO_CLOCK);
    this.output = new OutputTrack({
      codec,
      send: ({ payload, ...packet }) => {
        const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
        this.video?.send({ ...packet, payload: bytes }, this.#captureMs, this.#nowMs);
      },
      onKeyframeWanted: () => listener.keyframeWanted(this),
    });
  }

  /** Chooses what its video comes from, from the next keyframe of that on. */
  select(source: OutputSource | undefined): void {
    this.output.select(source);
  }

  /** Takes a packet of the publisher's video. */
  sendVideo(packet: RtpPacket, captureMs: number | undefined, nowMs: number): void {
    this.#captureMs = captureMs;
    this.#nowMs = nowMs;
    this.output.forward('source', packet, nowMs);
  }

  /** Takes a picture of our own. */
  sendPicture(picture: CodedPicture, captureMs: number | undefined, nowMs: number): void {
    this.#captureMs = captureMs;
    this.#nowMs = nowMs;
    this.output.picture('own', picture, nowMs);
  }

  /** Sends a packet of audio. `source` is who published it. */
  sendAudio(source: unknown, packet: RtpPacket, captureMs: number | undefined, nowMs: number): void {
    const numbers = this.#audioNumbers.next(source, packet, nowMs);
    if (numbers) this.audio?.send({ ...numbers, marker: packet.marker, payload: packet.payload }, captureMs, nowMs);
  }

  /** Takes a message off the network. */
  rtcp(message: RtcpMessage, nowMs: number): void {
    switch (message.type) {
      case 'keyframe':
        if (message.source === this.video?.ssrc) this.#listener.keyframeWanted(this);
        break;
      case 'nack':
        this.#track(message.source)?.resend(message.lost, nowMs);
        break;
      case 'max-bitrate':
        this.#listener.reception(this, { maxBitrate: message.bitrate });
        break;
      case 'report': {
        const track = this.#track(message.source);
        track?.reported(message.report.lsr, message.report.dlsr, nowMs);
        if (!track || track !== this.video) break;
        const { roundTripMs } = track;
        this.#listener.reception(this, {
          fractionLost: message.report.fractionLost / 256,
          ...(roundTripMs === undefined ? {} : { roundTripMs }),
        });
        break;
      }
    }
  }

  #track(ssrc: number): OutgoingTrack | undefined {
    return [this.video, this.audio].find((track) => track?.ssrc === ssrc);
  }
}

function randomNumbers(clockRate: number): Continuity {
  return new Continuity(clockRate, { sequenceNumber: randomInt(2 ** 15), timestamp: randomInt(2 ** 32 - 1) });
}
