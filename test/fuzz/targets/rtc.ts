import { Broadcast } from '../../../src/server/rtc/broadcast.js';
import { chooseLayer, type Layer } from '../../../src/server/rtc/layers.js';
import { DEFAULT_LIMITS } from '../../../src/server/rtc/options.js';
import { planPublisher, planViewer } from '../../../src/server/rtc/plan.js';
import { Publisher } from '../../../src/server/rtc/publisher.js';
import { maxBitrate, nack, pictureLoss, readRtcp, receiverReport, senderReport } from '../../../src/server/rtc/rtcp.js';
import { readRtp } from '../../../src/server/rtc/rtp-packet.js';
import { readOffer } from '../../../src/server/rtc/sdp.js';
import { msToNtp } from '../../../src/server/rtc/sender-clock.js';
import type { OutgoingHeader, Transport } from '../../../src/server/rtc/transport.js';
import { Viewer } from '../../../src/server/rtc/viewer.js';
import { rtp } from '../datagrams.js';
import { inputOf, type Part, partsOf } from '../parts.js';
import type { FuzzTarget } from '../target.js';
import { OFFERS } from './sdp.js';

/** Who sent a part's bytes, and as what. */
const [FROM_PUBLISHER, REPORT_OF_PUBLISHER, FROM_VIEWER, NOBODY] = [0, 1, 2, 3] as const;
/** Ethernet's, without what carries RTCP. */
const MOST_RTCP_BYTES = 1400;
/** Retransmissions to one viewer: those of a burst, and those of a second. */
const MOST_RESENT = { burst: 250, perMs: 1.2 } as const;
/** Requests for keyframes, of all layers. */
const MOST_REQUESTS = { burst: 6, perMs: 0.012 } as const;
const EPOCH_MS = 1_700_000_000_000;

const publisherOffer = readOffer(OFFERS.get('chromium-simulcast') ?? '');
const viewerOffer = readOffer(OFFERS.get('chromium-viewer') ?? '');
const publisherPlan = planPublisher(publisherOffer);
const ridId = publisherPlan.ridExtensionId ?? 0;
const [VIDEO_SSRC, AUDIO_SSRC] = [1001, 1002] as const;

function claim(held: boolean, what: string): void {
  if (!held) throw new Error(what);
}

/** In place of a connection: what would be sent is read as a peer reads it. */
class CheckingTransport {
  readonly connected = true;
  readonly keyframeRequests: number[] = [];
  packets = 0;
  /** Sequence number of the last packet. */
  last = 0;

  sendRtp(header: OutgoingHeader, payload: Uint8Array): void {
    const packet = readRtp(Buffer.concat([header.serialize(header.serializeSize), payload]));
    claim(packet !== undefined && packet.payload.length === payload.length, 'A packet that cannot be read.');
    claim(packet?.ssrc === VIDEO_SSRC || packet?.ssrc === AUDIO_SSRC, 'A packet of nobody.');
    this.packets++;
    this.last = header.sequenceNumber;
  }

  sendRtcp(packets: readonly Buffer[]): void {
    const compound = Buffer.concat(packets);
    claim(compound.length % 4 === 0 && compound.length <= MOST_RTCP_BYTES, 'A compound packet that is too long.');
    for (const message of readRtcp(compound)) {
      if (message.type === 'nack') claim(message.lost.length <= 256, 'Too many are asked for again.');
      else if (message.type === 'keyframe') this.keyframeRequests.push(message.source);
      else if (message.type === 'max-bitrate') {
        const { bitrate } = message;
        claim(bitrate >= 149_000 && bitrate <= DEFAULT_LIMITS.maxBitrate, `A publisher may send ${bitrate} bit/s.`);
      }
    }
  }
}

/** What came of an input. */
export interface Outcome {
  readonly sent: number;
  readonly resent: number;
  readonly nacks: number;
  readonly keyframeRequests: number;
}

/** Gives a publisher and a viewer of one stream what an input says that their peers send. */
export function carry(input: Uint8Array): Outcome {
  let nowMs = 1000;
  let ended = false;
  const toPublisher = new CheckingTransport();
  const toViewer = new CheckingTransport();
  const broadcast = new Broadcast({
    codec: 'vp8',
    limits: DEFAULT_LIMITS,
    openProcessor: undefined,
    pixelsPerSecond: () => 1e9,
    now: () => nowMs,
    event: () => {},
    endPublisher: () => {
      ended = true;
    },
    metrics: undefined,
  });
  const publisher = new Publisher(
    publisherPlan,
    toPublisher as unknown as Transport,
    DEFAULT_LIMITS,
    {
      video: (packet, layer) => broadcast.video(packet, layer),
      audio: (packet) => broadcast.audio(packet),
      keyframeWanted: (layer) => broadcast.lost(layer),
      uses: (layer) => broadcast.uses(layer),
      end: () => {
        ended = true;
      },
    },
    nowMs,
  );
  broadcast.follow('publisher', publisher);
  const ssrcs = viewerOffer.media.map(({ kind }) => (kind === 'video' ? VIDEO_SSRC : AUDIO_SSRC));
  const plan = planViewer(viewerOffer, { videoCodec: 'vp8', audio: true }, { cname: 'a', streamId: 'b' }, () =>
    Number(ssrcs.shift()),
  );
  const viewer = new Viewer('viewer', 'source', plan, 'a', toViewer as unknown as Transport, {
    keyframeWanted: () => broadcast.requestKeyframe(viewer),
    feedback: (feedback, atMs) => {
      for (const value of Object.values(feedback)) claim(Number.isFinite(value) && value >= 0, 'Feedback of no sense.');
      broadcast.feedback(viewer, feedback, atMs);
    },
  });
  broadcast.add(viewer);
  for (const { flags, step, data } of partsOf(input)) {
    if (ended) break;
    // Up to two minutes.
    nowMs += flags & 0x10 ? step * 500 : step & 63;
    if ((flags & 3) === FROM_PUBLISHER) {
      const packet = readRtp(data);
      if (packet) publisher.rtp(packet, nowMs);
    } else if ((flags & 3) === REPORT_OF_PUBLISHER) {
      for (const message of readRtcp(data)) publisher.rtcp(message, nowMs);
    } else if ((flags & 3) === FROM_VIEWER) {
      for (const message of readRtcp(data)) {
        const relative = (flags & 8) !== 0 && message.type === 'nack';
        const { last } = toViewer;
        // Where numbers begin is chance, so those asked for count from the last one.
        const heard = relative ? { ...message, lost: message.lost.map((lost) => (last + lost) & 0xffff) } : message;
        viewer.rtcp(heard, nowMs);
      }
    }
    if (flags & 4 || (flags & 3) === NOBODY) {
      publisher.tick(nowMs);
      broadcast.tick(nowMs);
    }
    const roundTripMs = viewer.video?.roundTripMs ?? 0;
    claim(roundTripMs >= 0 && roundTripMs < 60_000, `A round trip of ${roundTripMs} ms.`);
  }
  const elapsedMs = nowMs - 1000;
  const { resent } = viewer.counts;
  claim(resent <= MOST_RESENT.burst + elapsedMs * MOST_RESENT.perMs, `${resent} packets were sent again.`);
  const requests = toPublisher.keyframeRequests.length;
  claim(requests <= MOST_REQUESTS.burst + elapsedMs * MOST_REQUESTS.perMs, `${requests} keyframes were asked for.`);
  const { nacks } = publisher.counts;
  broadcast.close();
  return { sent: toViewer.packets, resent, nacks, keyframeRequests: requests };
}

const part = (flags: number, data: Buffer = Buffer.alloc(0), step = 5): Part => ({ flags, step, data });
const key = Buffer.from([0x10, 0, 0, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0, ...new Uint8Array(60).fill(7)]);
const delta = Buffer.from([0x10, 1, 0, 0, ...new Uint8Array(20).fill(9)]);
const layerPacket = (layer: number, index: number, payload: Buffer, padding = 0): Part =>
  part(
    FROM_PUBLISHER,
    rtp({
      payloadType: publisherPlan.video.payloadType,
      marker: true,
      sequenceNumber: 65_530 + index,
      timestamp: index * 3000,
      ssrc: 10 + layer,
      extensions: [[ridId, `l${layer}`]],
      padding,
      payload,
    }),
  );
const sound = (index: number): Part =>
  part(
    FROM_PUBLISHER,
    rtp({
      payloadType: publisherPlan.audio?.payloadType ?? 0,
      sequenceNumber: index,
      timestamp: index * 960,
      ssrc: 20,
      payload: Buffer.alloc(30, 1),
    }),
  );
const told = (ssrc: number, rtpTimestamp: number): Part =>
  part(
    REPORT_OF_PUBLISHER,
    senderReport(ssrc, { ntpTimestamp: msToNtp(EPOCH_MS), rtpTimestamp, packetCount: 1, octetCount: 1 }),
  );
const tick = (step = 20): Part => part(NOBODY, undefined, step);
const block = { fractionLost: 25, packetsLost: 9, highestSequence: 100, jitter: 5, lsr: 0, dlsr: 0 };
const viewerSays = (...packets: Buffer[]): Part =>
  part(FROM_VIEWER | 8, Buffer.concat([receiverReport(9, new Map([[VIDEO_SSRC, block]])), ...packets]));
const all = Array.from({ length: 17 * 20 }, (_, index) => (index - 20) & 0xffff);

const seeds = [
  // One layer: pictures, sound, reports, and a loss that is asked for again.
  inputOf([
    layerPacket(0, 0, key),
    sound(1),
    told(10, 0),
    told(20, 960),
    ...[1, 2, 3, 6, 7].flatMap((index) => [layerPacket(0, index, delta), sound(index + 1), tick()]),
    ...Array.from({ length: 30 }, () => tick()),
    layerPacket(0, 5, delta),
    layerPacket(0, 8, key),
  ]),
  // Three layers, one of which begins with padding; one has a gap that only a keyframe mends.
  inputOf([
    layerPacket(1, 0, Buffer.alloc(0), 100),
    told(11, 5),
    ...[0, 1, 2].flatMap((layer) => [layerPacket(layer, 1, key), layerPacket(layer, 2, delta)]),
    tick(255),
    ...[0, 1, 2].flatMap((layer) => [layerPacket(layer, 300, delta), layerPacket(layer, 301, delta)]),
    tick(60),
    part(0x10 | NOBODY, undefined, 4),
    ...[0, 1].map((layer) => layerPacket(layer, 302, key)),
  ]),
  // A viewer who asks for all, and for keyframes.
  inputOf([
    layerPacket(0, 0, key),
    ...[1, 2, 3, 4, 5, 6].map((index) => layerPacket(0, index, delta)),
    tick(),
    ...[0, 16, 32, 48].map((first) =>
      viewerSays(
        nack(
          9,
          VIDEO_SSRC,
          all.map((number) => (first + number) & 0xffff),
        ),
        pictureLoss(9, VIDEO_SSRC),
      ),
    ),
    ...Array.from({ length: 10 }, () => viewerSays(pictureLoss(9, VIDEO_SSRC), maxBitrate(9, 700_000, [VIDEO_SSRC]))),
    tick(),
  ]),
];

/** Looks which layer is chosen, of layers that an input describes. */
function chooseOf(input: Uint8Array): void {
  const layers: Layer[] = [];
  for (let at = 2; at + 4 < input.length && layers.length < 8; at += 5) {
    const [flags = 0, a = 0, b = 0, c = 0, d = 0] = input.subarray(at, at + 5);
    const size = flags & 1 ? { width: a * 256 + b, height: c * 256 + d } : undefined;
    layers.push({ size, active: (flags & 2) !== 0 });
  }
  const [side = 0, current = 0] = input;
  const bounds = { maxSide: side * 16, maxPixels: side * side * 64 };
  const chosen = chooseLayer(layers, bounds, (current & 15) - 1);
  claim(chosen >= -1 && chosen < layers.length, `Layer ${chosen}.`);
  claim(chosen < 0 === !layers.some(({ active }) => active), 'A layer where there is none, or none where there are.');
  claim(chosen < 0 || layers[chosen]?.active === true, 'A layer that does not come.');
}

/** Media and feedback, from the datagram to what is sent on. */
export const targets: readonly FuzzTarget[] = [
  { name: 'rtc-stream', seeds, run: (input) => void carry(input) },
  {
    name: 'rtc-layers',
    seeds: [Uint8Array.from([80, 1, 3, 1, 64, 0, 180, 3, 2, 128, 1, 104, 3, 5, 0, 2, 208, 2, 0, 0, 0, 0])],
    run: chooseOf,
  },
];
