import type { VideoDecoder as NativeDecoder, VideoFrame } from '@napi-rs/webcodecs';
import { reasonOf } from '../../frame/errors.js';
import type { ColourSpace, PlanarFrame, PlaneLayout } from '../../frame/frame.js';
import { tightLayout, tightLength } from '../../frame/planes.js';
import type { CodedPicture, VideoCodec, VideoDecoder } from './codec.js';
import { disposed, PictureGate, undecodable } from './limits.js';
import { Outputs } from './outputs.js';
import type { WebCodecs } from './webcodecs.js';
import { WEBRTC_COLOURS } from './webcodecs-encoder.js';

/** Codecs as WebCodecs names them. The profile in a name does not bind the decoder. */
export const decoderCodecs: Readonly<Record<VideoCodec, string>> = {
  vp8: 'vp8',
  h264: 'avc1.42E01F',
  vp9: 'vp09.00.10.08',
  av1: 'av01.0.04M.08',
};

/** Timestamps of pictures that have not come out are kept for this many pictures. */
const MOST_TIMESTAMPS = 64;

/** The package leaves out the last chroma samples of an odd side. Their neighbours stand in for them. */
function repeatOdd(data: Uint8Array, { offset, stride }: PlaneLayout, width: number, height: number): void {
  const rows = height >> 1;
  if (width & 1 && width > 1) {
    for (let end = offset + stride - 1; end < offset + rows * stride; end += stride)
      data[end] = data[end - 1] as number;
  }
  if (height & 1 && height > 1)
    data.copyWithin(offset + rows * stride, offset + (rows - 1) * stride, offset + rows * stride);
}

/** A decoder of `@napi-rs/webcodecs`. One that failed is closed for good by the package: the next keyframe gets a new one. */
export class WebCodecsDecoder implements VideoDecoder {
  readonly #webCodecs: WebCodecs;
  readonly #gate: PictureGate;
  readonly #timestamps = new Map<number, number>();
  #decoder: { readonly native: NativeDecoder; readonly outputs: Outputs<VideoFrame> } | undefined;
  #count = 0;
  #disposed = false;

  constructor(
    webCodecs: WebCodecs,
    readonly codec: VideoCodec,
    readonly maxPixels: number,
  ) {
    this.#webCodecs = webCodecs;
    this.#gate = new PictureGate(codec, maxPixels);
  }

  async decode(picture: CodedPicture): Promise<PlanarFrame[]> {
    if (this.#disposed) throw disposed('decoder');
    let shown: VideoFrame[] = [];
    try {
      this.#gate.admit(picture);
      this.#decoder ??= this.#open();
      const { native, outputs } = this.#decoder;
      const timestamp = this.#count++;
      this.#timestamps.set(timestamp, picture.timestampUs);
      this.#timestamps.delete(timestamp - MOST_TIMESTAMPS);
      outputs.begin();
      native.decode(
        new this.#webCodecs.EncodedVideoChunk({
          type: picture.key ? 'key' : 'delta',
          timestamp,
          data: picture.data,
        }),
      );
      shown = await outputs.collect();
      const frames: PlanarFrame[] = [];
      for (const frame of shown) frames.push(await this.#take(frame));
      return frames;
    } catch (thrown) {
      this.#gate.close();
      this.#close();
      throw thrown instanceof Error && thrown.name === 'UpscaleError' ? thrown : undecodable(reasonOf(thrown), thrown);
    } finally {
      for (const frame of shown) frame.close();
    }
  }

  #open() {
    const outputs = new Outputs<VideoFrame>();
    const native = new this.#webCodecs.VideoDecoder({ output: outputs.output, error: outputs.error });
    native.ondequeue = outputs.dequeue;
    native.configure({ codec: decoderCodecs[this.codec], optimizeForLatency: true });
    return { native, outputs };
  }

  async #take(frame: VideoFrame): Promise<PlanarFrame> {
    const timestampUs = this.#timestamps.get(frame.timestamp);
    this.#timestamps.delete(frame.timestamp);
    if (timestampUs === undefined) throw undecodable('it shows more than one frame');
    if (frame.format !== 'I420') throw undecodable(`its format is ${frame.format}, which is not converted here`);
    const { width, height } = frame.visibleRect;
    if (width * height > this.maxPixels) throw undecodable(`${width}x${height} pixels are too many`);
    const data = new Uint8Array(tightLength('I420', { width, height }));
    const planes = tightLayout('I420', { width, height });
    await frame.copyTo(data, { layout: [...planes] });
    for (const plane of planes.slice(1)) repeatOdd(data, plane, width, height);
    return { format: 'I420', width, height, data, planes, colourSpace: this.#coloursOf(frame), timestampUs };
  }

  #coloursOf({ colorSpace: { matrix, fullRange } }: VideoFrame): ColourSpace {
    if (this.codec === 'vp8') return WEBRTC_COLOURS;
    const known = matrix === 'bt709' || matrix === 'bt2020-ncl' ? matrix : WEBRTC_COLOURS.matrix;
    return { matrix: known, fullRange: fullRange ?? false };
  }

  #close(): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    this.#timestamps.clear();
    if (!decoder) return;
    if (decoder.native.state !== 'closed') decoder.native.close();
    for (const frame of decoder.outputs.drain()) frame.close();
  }

  dispose(): void {
    this.#disposed = true;
    this.#close();
  }
}
