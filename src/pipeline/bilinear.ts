import { packRgb } from '../frame/colour.js';
import type { PlanarFrame } from '../frame/frame.js';

/** Enlarges a frame by bilinear interpolation (half-pixel centres): the path without a network, where no canvas is. */
export function bilinear(frame: PlanarFrame, scale: number): PlanarFrame {
  const { width, height } = frame;
  const rgb = new Float32Array(3 * width * height);
  packRgb(frame, rgb, width, height);
  const outWidth = width * scale;
  const outHeight = height * scale;
  const data = new Uint8ClampedArray(outWidth * outHeight * 4).fill(255);
  for (let y = 0, write = 0; y < outHeight; y++) {
    const [top, bottom, down] = neighbours(y, scale, height);
    for (let x = 0; x < outWidth; x++, write += 4) {
      const [left, right, across] = neighbours(x, scale, width);
      for (let channel = 0; channel < 3; channel++) {
        const row = (y_: number): number => (channel * height + y_) * width;
        const at = (y_: number): number =>
          (rgb[row(y_) + left] as number) * (1 - across) + (rgb[row(y_) + right] as number) * across;
        data[write + channel] = (at(top) * (1 - down) + at(bottom) * down) * 255;
      }
    }
  }
  return rgbx(data, outWidth, outHeight, frame);
}

/** A frame of 4-byte pixels around bytes that are handed over. */
export function rgbx(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  times: { readonly timestampUs: number; readonly durationUs?: number },
): PlanarFrame {
  return {
    format: 'RGBX',
    width,
    height,
    data: new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength),
    planes: [{ offset: 0, stride: width * 4 }],
    colourSpace: { matrix: 'bt709', fullRange: true },
    timestampUs: times.timestampUs,
    ...(times.durationUs === undefined ? {} : { durationUs: times.durationUs }),
  };
}

function neighbours(position: number, scale: number, length: number): [number, number, number] {
  const source = Math.max(0, (position + 0.5) / scale - 0.5);
  const first = Math.min(Math.floor(source), length - 1);
  return [first, Math.min(first + 1, length - 1), source - first];
}
