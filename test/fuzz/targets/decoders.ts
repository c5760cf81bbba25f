import { UpscaleError } from '../../../src/frame/errors.js';
import type { CodedPicture, VideoCodec, VideoDecoder } from '../../../src/server/codecs/codec.js';
import { loadCodecs } from '../../../src/server/codecs/load.js';
import { encodeAll, panning } from '../../server/codec-pictures.js';
import { av1Pictures, vp9Pictures } from '../../server/codec-streams.js';
import type { FuzzTarget } from '../target.js';

/** Frames may not be larger than this: the largest there are would only slow the search down. */
const MAX_PIXELS = 1024 * 1024;
/** A decoder is used for so many inputs before a new one takes its place. */
const INPUTS_EACH = 500;
/** Native memory is given back only when the event loop turns: a loop of promises alone would seem to leak. */
const INPUTS_A_TURN = 50;
/** After so many keyframes something must have been shown. */
const MOST_HELD_BACK = 20;

const backend = await loadCodecs('node-av', { maxPixels: MAX_PIXELS });
const size = { width: 96, height: 64 };
const frames = panning(size, 6);

async function picturesOf(codec: VideoCodec): Promise<CodedPicture[]> {
  if (codec === 'vp9') return vp9Pictures(frames);
  if (codec === 'av1') return av1Pictures(frames);
  const encoder = await backend.createEncoder({ codec, size, bitrate: 300_000, frameRate: 30 });
  try {
    return await encodeAll(encoder, frames, [4]);
  } finally {
    encoder.dispose();
  }
}

/**
 * One decoder's target. An input is a coded picture; in turn it stands for a keyframe, and for the picture after a real
 * keyframe, so that damage meets a decoder with state. Only an UpscaleError may come out, frames must hold the pixels they
 * speak of, and a real keyframe must be decoded afterwards.
 */
async function target(codec: VideoCodec): Promise<FuzzTarget> {
  const pictures = await picturesOf(codec);
  const [key] = pictures as [CodedPicture];
  let decoder: VideoDecoder = await backend.createDecoder(codec);
  let count = 0;
  const decode = async (picture: CodedPicture): Promise<number> => {
    const shown = await decoder.decode(picture);
    for (const { width, height, data, planes } of shown) {
      const needed = width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
      if (width * height > MAX_PIXELS || data.length !== needed || planes.length !== 3) {
        throw new Error(`A frame of ${width}x${height} has ${data.length} bytes.`);
      }
    }
    return shown.length;
  };
  return {
    name: `decoder ${codec}`,
    seeds: pictures.map(({ data }) => data),
    async run(input) {
      if (++count % INPUTS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      if (count % INPUTS_EACH === 0) {
        decoder.dispose();
        decoder = await backend.createDecoder(codec);
      }
      const asKey = count % 2 === 0;
      if (!asKey) await decode(key).catch(() => 0);
      try {
        await decode({ codec, data: input, key: asKey, timestampUs: count });
      } catch (thrown) {
        if (!(thrown instanceof UpscaleError) || thrown.code !== 'frame-unsupported') throw thrown;
      }
      // H.264 may have been told to hold back as many as sixteen pictures, and then does.
      let shown = 0;
      for (let i = 0; shown === 0 && i < MOST_HELD_BACK; i++) shown = await decode(key).catch(() => 0);
      if (shown === 0) throw new Error(`After ${input.length} bytes nothing is decoded.`);
    },
    dispose: () => decoder.dispose(),
  };
}

export const targets: FuzzTarget[] = await Promise.all(
  (['vp8', 'h264', 'vp9', 'av1'] as const).filter((codec) => backend.decodes.includes(codec)).map(target),
);
