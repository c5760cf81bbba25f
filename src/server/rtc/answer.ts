import { randomInt } from 'node:crypto';
import type { Offer, OfferedCodec, OfferedMedia } from './sdp.js';

/** What is accepted of an m-section. */
export interface AcceptedMedia {
  readonly direction: 'sendonly' | 'recvonly';
  readonly codec: OfferedCodec;
  /** URIs of header extensions that are used. */
  readonly extensions: readonly string[];
  /** Simulcast layers that are received. */
  readonly rids?: readonly string[];
  /** What we send, and under which names. */
  readonly sending?: {
    readonly ssrc: number;
    readonly cname: string;
    readonly streamId: string;
    readonly trackId: string;
  };
}

/** Our side of the connection. */
export interface LocalTransport {
  readonly usernameFragment: string;
  readonly password: string;
  /** Algorithm and value. */
  readonly fingerprint: string;
  readonly candidates: readonly string[];
}

/** The feedback messages that we send or understand. */
const FEEDBACK = ['nack', 'nack pli', 'ccm fir', 'goog-remb'];
/** Format parameters that are repeated in the answer; others are for the offerer only. */
const PARAMETERS = new Set(['packetization-mode', 'profile-level-id', 'level-asymmetry-allowed', 'useinbandfec']);

/**
 * Writes an answer (RFC 8829, RFC 9725): one transport, all candidates in it.
 * @param accepted for each m-section of the offer what is accepted, or nothing
 */
export function writeAnswer(
  offer: Offer,
  accepted: readonly (AcceptedMedia | undefined)[],
  local: LocalTransport,
): string {
  const mids = offer.media.filter((_, index) => accepted[index]).map(({ mid }) => mid);
  const lines = ['v=0', `o=- ${randomInt(2 ** 47)} 1 IN IP4 0.0.0.0`, 's=-', 't=0 0'];
  if (offer.bundle.length > 0) lines.push(`a=group:BUNDLE ${mids.join(' ')}`);
  lines.push('a=msid-semantic: WMS *');
  let first = true;
  offer.media.forEach((media, index) => {
    const chosen = accepted[index];
    lines.push(...(chosen ? acceptedSection(media, chosen, local, first) : rejectedSection(media)));
    if (chosen) first = false;
  });
  return `${lines.join('\r\n')}\r\n`;
}

function rejectedSection({ kind, protocol, mid, codecs }: OfferedMedia): string[] {
  return [`m=${kind} 0 ${protocol} ${codecs[0]?.payloadType ?? 0}`, 'c=IN IP4 0.0.0.0', `a=mid:${mid}`, 'a=inactive'];
}

function acceptedSection(
  media: OfferedMedia,
  { direction, codec, extensions, rids = [], sending }: AcceptedMedia,
  local: LocalTransport,
  withCandidates: boolean,
): string[] {
  const { payloadType, name, clockRate, channels, parameters, feedback } = codec;
  const lines = [
    `m=${media.kind} 9 ${media.protocol} ${payloadType}`,
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    `a=ice-ufrag:${local.usernameFragment}`,
    `a=ice-pwd:${local.password}`,
    `a=fingerprint:${local.fingerprint}`,
    'a=setup:passive',
    `a=mid:${media.mid}`,
    `a=${direction}`,
    'a=rtcp-mux',
    `a=rtpmap:${payloadType} ${name === 'opus' ? name : name.toUpperCase()}/${clockRate}${channels > 1 ? `/${channels}` : ''}`,
  ];
  const repeated = [...parameters].filter(([key]) => PARAMETERS.has(key)).map(([key, value]) => `${key}=${value}`);
  if (repeated.length > 0) lines.push(`a=fmtp:${payloadType} ${repeated.join(';')}`);
  for (const kind of FEEDBACK) if (feedback.has(kind)) lines.push(`a=rtcp-fb:${payloadType} ${kind}`);
  for (const uri of extensions) {
    const id = media.extensions.get(uri);
    if (id !== undefined) lines.push(`a=extmap:${id} ${uri}`);
  }
  for (const rid of rids) lines.push(`a=rid:${rid} recv`);
  if (rids.length > 0) lines.push(`a=simulcast:recv ${rids.join(';')}`);
  if (sending) {
    const { ssrc, cname, streamId, trackId } = sending;
    lines.push(
      `a=msid:${streamId} ${trackId}`,
      `a=ssrc:${ssrc} cname:${cname}`,
      `a=ssrc:${ssrc} msid:${streamId} ${trackId}`,
    );
  }
  if (withCandidates) lines.push(...local.candidates.map((candidate) => `a=${candidate}`), 'a=end-of-candidates');
  return lines;
}
