import type { FrameTimes, PlanarFrame } from './frame.js';

/** A frame of 4-byte pixels around bytes that are handed over. */
export function rgbx(pixels: Uint8ClampedArray, width: number, height: number, times: FrameTimes): PlanarFrame {
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
