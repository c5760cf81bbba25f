import type { Size } from '../../src/frame/frame.js';
import { view } from '../../test/pages/sources.js';

/** Source pixels the pan's view covers at most, so that it stays inside the photograph. */
const VIEW_WIDTH = 500;

/**
 * Frames of a pan over a photograph, as a camera gives them: I420, BT.709, limited range. No two neighbours share a tile.
 * @returns the bytes of each frame
 */
export async function pan(count: number, { width, height }: Size): Promise<Uint8Array[]> {
  const zoom = Math.min(2, VIEW_WIDTH / width);
  const frames: Uint8Array[] = [];
  for (let index = 0; index < count; index++) frames.push(i420(await view(index, width, height, zoom)));
  return frames;
}

/** A frame of the pan's bytes. */
export function cameraFrame(bytes: Uint8Array, { width, height }: Size, timestamp: number): VideoFrame {
  return new VideoFrame(bytes as Uint8Array<ArrayBuffer>, {
    format: 'I420',
    codedWidth: width,
    codedHeight: height,
    timestamp,
    colorSpace: { matrix: 'bt709', primaries: 'bt709', transfer: 'bt709', fullRange: false },
  });
}

/** Chroma is that of each block's first pixel: good enough for a picture whose only task is to move. */
function i420({ data, width, height }: ImageData): Uint8Array {
  const area = width * height;
  const bytes = new Uint8Array(area * 1.5);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const [r = 0, g = 0, b = 0] = data.subarray(at * 4, at * 4 + 3);
      const luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
      bytes[at] = Math.round(16 + (219 / 255) * luma);
      if (x % 2 || y % 2) continue;
      const chroma = area + (y / 2) * (width / 2) + x / 2;
      bytes[chroma] = Math.round(128 + (224 / 255) * ((b - luma) / 1.8556));
      bytes[chroma + area / 4] = Math.round(128 + (224 / 255) * ((r - luma) / 1.5748));
    }
  }
  return bytes;
}
