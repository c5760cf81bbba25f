import { UpscaleError } from '../../frame/errors.js';
import type { CapableBackend } from './capabilities.js';
import type { EncoderSettings, VideoCodec } from './codec.js';
import { CubicScaler } from './cubic-scaler.js';
import { type CodecOptions, checkSettings, codecChoices } from './limits.js';
import { decoderCodecs, WebCodecsDecoder } from './webcodecs-decoder.js';
import { encoderCodecs, WEBRTC_COLOURS, WebCodecsEncoder } from './webcodecs-encoder.js';

/** The package `@napi-rs/webcodecs`, handed in by who loaded it. */
export type WebCodecs = typeof import('@napi-rs/webcodecs');

/**
 * FFmpeg by the package `@napi-rs/webcodecs` 1.3.1: the second choice, which keeps the interface honest. Other than node-av
 *
 * - VP8 and H.264 have a keyframe every ten frames that nobody asked for, and a change of the bitrate costs one more;
 * - the H.264 decoder holds back two pictures or more: one for each of its threads, whose number cannot be chosen;
 * - the H.264 encoder makes High profile, whatever it is asked for: most receivers take it though the offer said baseline;
 * - an odd last column or row is left out when encoding, and loses its chroma when decoding;
 * - large pictures are refused only after they were decoded;
 * - colours are converted and pictures scaled in TypeScript, slowly.
 *
 * Pictures are coded on threads of the package's.
 */
export function webCodecsBackend(webCodecs: WebCodecs, options?: CodecOptions): CapableBackend {
  const { maxPixels } = codecChoices(options);
  const decodes = Object.keys(decoderCodecs) as VideoCodec[];
  const encodes = Object.keys(encoderCodecs) as EncoderSettings['codec'][];
  const missing = (what: string): UpscaleError =>
    new UpscaleError('backend-unavailable', `@napi-rs/webcodecs cannot ${what}.`, { recoverable: false });
  return {
    name: '@napi-rs/webcodecs',
    decodes,
    encodes,
    capabilities: {
      heldBack: { h264: 2 },
      keyframesOnDemandOnly: false,
      bitrateCostsKeyframe: true,
      oddSizes: false,
      boundsMemory: false,
    },
    async createDecoder(codec) {
      const config = { codec: decoderCodecs[codec] };
      const { supported } = await webCodecs.VideoDecoder.isConfigSupported(config);
      if (!supported) throw missing(`decode ${codec}`);
      return new WebCodecsDecoder(webCodecs, codec, maxPixels);
    },
    async createEncoder(settings) {
      checkSettings(settings, maxPixels);
      const { width, height } = settings.size;
      const { supported } = await webCodecs.VideoEncoder.isConfigSupported({
        codec: encoderCodecs[settings.codec],
        width,
        height,
      });
      if (!supported) throw missing(`encode ${settings.codec}`);
      return new WebCodecsEncoder(webCodecs, settings);
    },
    createScaler: () => new CubicScaler(maxPixels, WEBRTC_COLOURS),
  };
}
