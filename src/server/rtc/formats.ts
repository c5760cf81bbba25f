import type { OfferedCodec, OfferedMedia } from './sdp.js';

/** A published video's codec. */
export type RtcVideoCodec = 'vp8' | 'h264';

export const RTP_STREAM_ID = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';
export const ABS_SEND_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';

const VIDEO_CLOCK = 90_000;
const AUDIO_CLOCK = 48_000;
/** profile_idc of Baseline and Constrained Baseline: what every WebRTC client decodes, and what has no B-frames. */
const BASELINE = '42';
/** What is meant where nothing is said (RFC 6184, section 8.1). */
const DEFAULT_PROFILE = '42000a';

/** The video format that a publisher is asked for: the first of the offer that we can take. */
export function publishedVideo({ codecs }: OfferedMedia): OfferedCodec | undefined {
  return codecs.find((codec) => isVideo(codec, 'vp8') || isVideo(codec, 'h264'));
}

/** The format in which a viewer takes a video that is published as `name`. */
export function watchedVideo({ codecs }: OfferedMedia, name: RtcVideoCodec): OfferedCodec | undefined {
  const suitable = codecs.filter((codec) => isVideo(codec, name));
  // Constrained Baseline is what encoders of WebRTC make, whatever they were asked for.
  return suitable.find((codec) => /^42[c-f]/i.test(profileOf(codec))) ?? suitable[0];
}

/** Opus, in stereo as RFC 7587 has it. */
export function opus({ codecs }: OfferedMedia): OfferedCodec | undefined {
  return codecs.find(({ name, clockRate, channels }) => name === 'opus' && clockRate === AUDIO_CLOCK && channels === 2);
}

function isVideo(codec: OfferedCodec, name: RtcVideoCodec): boolean {
  if (codec.name !== name || codec.clockRate !== VIDEO_CLOCK) return false;
  if (name === 'vp8') return true;
  return codec.parameters.get('packetization-mode') === '1' && profileOf(codec).startsWith(BASELINE);
}

function profileOf({ parameters }: OfferedCodec): string {
  return (parameters.get('profile-level-id') ?? DEFAULT_PROFILE).toLowerCase();
}
