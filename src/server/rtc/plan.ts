import { SignallingError } from '../rooms.js';
import type { AcceptedMedia } from './answer.js';
import { ABS_SEND_TIME, opus, publishedVideo, RTP_STREAM_ID, type RtcVideoCodec, watchedVideo } from './formats.js';
import { malformed, type Offer, type OfferedCodec, type OfferedMedia } from './sdp.js';

/** What is received from a publisher. */
export interface PublisherPlan {
  readonly accepted: readonly (AcceptedMedia | undefined)[];
  readonly videoCodec: RtcVideoCodec;
  readonly video: OfferedCodec;
  readonly audio: OfferedCodec | undefined;
  /** Simulcast layers; empty where there is one stream. */
  readonly rids: readonly string[];
  /** Of the header extension that names a packet's layer. */
  readonly ridExtensionId: number | undefined;
}

/** Names for what is sent to a viewer. */
export interface SentTrack {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly absSendTimeId: number | undefined;
}

/** What is sent to a viewer. */
export interface ViewerPlan {
  readonly accepted: readonly (AcceptedMedia | undefined)[];
  readonly video: SentTrack | undefined;
  readonly audio: SentTrack | undefined;
}

/**
 * Decides what to take of a publisher's offer.
 * @throws SignallingError 400 where nothing is sent, 406 where no video codec is common
 */
export function planPublisher(offer: Offer): PublisherPlan {
  const sends = ({ direction, rejected }: OfferedMedia): boolean =>
    !rejected && (direction === 'sendonly' || direction === 'sendrecv');
  if (!offer.media.some(sends)) throw malformed('The offer sends nothing.');
  const section = offer.media.find((media) => media.kind === 'video' && sends(media));
  const video = section && publishedVideo(section);
  if (!section || !video) {
    throw new SignallingError(406, 'A publisher must offer video as VP8 or as H.264, baseline, packetization-mode 1.');
  }
  const ridExtensionId = section.extensions.get(RTP_STREAM_ID);
  const rids = ridExtensionId === undefined ? [] : section.rids;
  let audio: OfferedCodec | undefined;
  const accepted = offer.media.map((media): AcceptedMedia | undefined => {
    if (media === section) {
      return { direction: 'recvonly', codec: video, extensions: rids.length > 0 ? [RTP_STREAM_ID] : [], rids };
    }
    audio = sends(media) ? opus(media) : undefined;
    return audio && { direction: 'recvonly', codec: audio, extensions: [] };
  });
  return {
    accepted,
    video,
    audio,
    videoCodec: video.name === 'vp8' ? 'vp8' : 'h264',
    rids,
    ridExtensionId,
  };
}

/**
 * Decides what to send to a viewer.
 * @param published what the stream has
 * @param newSsrc makes an SSRC
 * @throws SignallingError 400 where nothing is received, 406 where no published track has a common codec
 */
export function planViewer(
  offer: Offer,
  published: { readonly videoCodec: RtcVideoCodec; readonly audio: boolean },
  names: { readonly cname: string; readonly streamId: string },
  newSsrc: () => number,
): ViewerPlan {
  const receives = ({ direction, rejected }: OfferedMedia): boolean =>
    !rejected && (direction === 'recvonly' || direction === 'sendrecv');
  if (!offer.media.some(receives)) throw malformed('The offer receives nothing.');
  let video: SentTrack | undefined;
  let audio: SentTrack | undefined;
  const accepted = offer.media.map((media): AcceptedMedia | undefined => {
    if (!receives(media)) return undefined;
    const isVideo = media.kind === 'video';
    if (!isVideo && !published.audio) return undefined;
    const codec = isVideo ? watchedVideo(media, published.videoCodec) : opus(media);
    if (!codec) return undefined;
    const absSendTimeId = isVideo ? media.extensions.get(ABS_SEND_TIME) : undefined;
    const track = { ssrc: newSsrc(), payloadType: codec.payloadType, absSendTimeId };
    if (isVideo) video = track;
    else audio = track;
    return {
      direction: 'sendonly',
      codec,
      extensions: absSendTimeId === undefined ? [] : [ABS_SEND_TIME],
      sending: { ssrc: track.ssrc, trackId: media.kind, ...names },
    };
  });
  const wantsVideo = offer.media.some((media) => media.kind === 'video' && receives(media));
  if ((wantsVideo && !video) || (!video && !audio)) {
    throw new SignallingError(
      406,
      `The stream is published as ${published.videoCodec}, which the offer does not have.`,
    );
  }
  return { accepted, video, audio };
}
