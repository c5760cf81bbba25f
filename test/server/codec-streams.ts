import * as c from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet, Rational } from 'node-av/lib';
import type { PlanarFrame } from '../../src/frame/frame.js';
import type { CodedPicture } from '../../src/server/codecs/codec.js';

/** What nothing here encodes but others send, made by FFmpeg's encoders. */
function encoded(
  name: string,
  codec: 'vp9' | 'av1' | 'h264',
  frames: readonly PlanarFrame[],
  choices: Choices,
): CodedPicture[] {
  const found = Codec.findEncoderByName(name as Parameters<typeof Codec.findEncoderByName>[0]);
  const context = new CodecContext();
  context.allocContext3(found);
  const [{ width, height }] = frames as [PlanarFrame];
  context.width = width;
  context.height = height;
  context.pixelFormat = choices.format ?? c.AV_PIX_FMT_YUV420P;
  context.timeBase = new Rational(1, 30);
  context.framerate = new Rational(30, 1);
  context.gopSize = 300;
  context.threadCount = 1;
  for (const [key, value] of Object.entries(choices.options)) context.setOption(key, value);
  if (context.open2Sync(found, null) < 0) throw new Error(`${name} does not open.`);
  const packet = new Packet();
  packet.alloc();
  const pictures: CodedPicture[] = [];
  const drain = (): void => {
    while (context.receivePacketSync(packet) >= 0) {
      const { timestampUs } = frames[Number(packet.pts)]!;
      pictures.push({ codec, data: new Uint8Array(packet.data!), key: packet.isKeyframe, timestampUs });
      packet.unref();
    }
  };
  for (const [i, source] of frames.entries()) {
    const frame = Frame.fromVideoBuffer(Buffer.from(choices.pixels?.(source) ?? source.data), {
      width,
      height,
      format: choices.format ?? c.AV_PIX_FMT_YUV420P,
      pts: BigInt(i),
    });
    if (context.sendFrameSync(frame) < 0) throw new Error(`${name} refuses a frame.`);
    frame.free();
    drain();
  }
  context.sendFrameSync(null);
  drain();
  packet.free();
  context.freeContext();
  return pictures;
}

/** How a stream is encoded. */
export interface Choices {
  readonly options: Record<string, string>;
  readonly format?: typeof c.AV_PIX_FMT_YUV420P;
  /** A frame's pixels in that format. Default: its own, which must be I420 without padding. */
  readonly pixels?: (frame: PlanarFrame) => Uint8Array;
}

/** As somebody else's encoder would make it: nothing is told that is not asked for. */
export function h264Pictures(frames: readonly PlanarFrame[], choices: Choices): CodedPicture[] {
  const options = { preset: 'ultrafast', tune: 'zerolatency', ...choices.options };
  return encoded('libx264', 'h264', frames, { ...choices, options });
}

export function vp9Pictures(frames: readonly PlanarFrame[]): CodedPicture[] {
  const options = { deadline: 'realtime', 'cpu-used': '8', 'lag-in-frames': '0', b: '800000' };
  return encoded('libvpx-vp9', 'vp9', frames, { options });
}

export function av1Pictures(frames: readonly PlanarFrame[]): CodedPicture[] {
  // SVT-AV1 writes to stderr whatever it is told through FFmpeg.
  process.env['SVT_LOG'] = '-1';
  const options = { preset: '10', crf: '30', 'svtav1-params': 'pred-struct=1:lp=1' };
  return encoded('libsvtav1', 'av1', frames, { options });
}

/** VP9 pictures as one: a superframe (VP9 bitstream specification, annex B). */
export function superframe(pictures: readonly CodedPicture[]): CodedPicture {
  const marker = 0b110_11_000 | (pictures.length - 1);
  const sizes = pictures.flatMap(({ data: { length } }) => [length & 255, (length >> 8) & 255, length >> 16, 0]);
  const data = new Uint8Array([...pictures.flatMap((one) => [...one.data]), marker, ...sizes, marker]);
  return { ...pictures[0]!, data };
}
