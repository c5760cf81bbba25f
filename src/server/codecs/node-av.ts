import { UpscaleError } from '../../frame/errors.js';
import type { CapableBackend } from './capabilities.js';
import type { EncoderSettings, VideoCodec } from './codec.js';
import { type CodecOptions, checkSettings, codecChoices } from './limits.js';
import { decoderNames, NodeAvDecoder } from './node-av-decoder.js';
import { encoderNames, NodeAvEncoder } from './node-av-encoder.js';
import { NodeAvScaler } from './node-av-scaler.js';

/** The parts of the package `node-av` that are used. It is an optional peer: whoever uses it hands it in. */
export interface NodeAv {
  readonly lib: typeof import('node-av/lib');
  readonly constants: typeof import('node-av/constants');
}

/**
 * FFmpeg by the package `node-av`. Calls run on the calling thread, which is quicker than handing each picture to another:
 * use it in a worker. Any number of decoders and encoders may live in any number of threads.
 *
 * FFmpeg's messages are silenced for the whole process: a line a packet is what a hostile sender would have it write.
 */
export function nodeAvBackend(av: NodeAv, options?: CodecOptions): CapableBackend {
  const { lib, constants } = av;
  const choices = codecChoices(options);
  lib.Log.setLevel(constants.AV_LOG_QUIET);
  const decodes = (Object.keys(decoderNames) as VideoCodec[]).filter((codec) =>
    lib.Codec.findDecoderByName(decoderNames[codec]),
  );
  const encodes = (Object.keys(encoderNames) as EncoderSettings['codec'][]).filter((codec) =>
    lib.Codec.findEncoderByName(encoderNames[codec]),
  );
  const missing = (what: string): UpscaleError =>
    new UpscaleError('backend-unavailable', `This build of node-av cannot ${what}.`, { recoverable: false });
  return {
    name: 'node-av',
    decodes,
    encodes,
    capabilities: {
      heldBack: {},
      keyframesOnDemandOnly: true,
      bitrateCostsKeyframe: false,
      oddSizes: true,
      boundsMemory: true,
    },
    async createDecoder(codec) {
      if (!decodes.includes(codec)) throw missing(`decode ${codec}`);
      return new NodeAvDecoder(av, codec, choices);
    },
    async createEncoder(settings) {
      checkSettings(settings, choices.maxPixels);
      if (!encodes.includes(settings.codec)) throw missing(`encode ${settings.codec}`);
      return new NodeAvEncoder(av, settings, choices);
    },
    createScaler: () => new NodeAvScaler(av, choices),
  };
}
