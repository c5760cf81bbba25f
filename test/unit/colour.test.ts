import { describe, expect, it } from 'vitest';
import { packRgb, yuvToRgb } from '../../src/frame/colour.js';
import type { PlanarFormat, PlanarFrame } from '../../src/frame/frame.js';

/** ITU formulas, written down independently of the code: R'G'B' 0..255 of 8-bit Y'CbCr. */
function itu(y: number, cb: number, cr: number, kr: number, kb: number, full: boolean): number[] {
  const luma = full ? y / 255 : (y - 16) / 219;
  const pb = (cb - 128) / (full ? 255 : 224);
  const pr = (cr - 128) / (full ? 255 : 224);
  const r = luma + 2 * (1 - kr) * pr;
  const b = luma + 2 * (1 - kb) * pb;
  const g = (luma - kr * r - kb * b) / (1 - kr - kb);
  return [r, g, b].map((value) => Math.min(Math.max(value, 0), 1) * 255);
}

/** A frame whose chroma changes with each block, in a buffer with padded rows. */
function yuvFrame(
  format: 'I420' | 'NV12',
  width: number,
  height: number,
  matrix: 'bt709' | 'smpte170m',
  fullRange: boolean,
): PlanarFrame {
  const cw = Math.ceil(width / 2);
  const ch = Math.ceil(height / 2);
  const stride = width + 5;
  const chromaStride = format === 'I420' ? cw + 3 : cw * 2 + 3;
  const uAt = 7 + stride * height;
  const vAt = uAt + chromaStride * ch;
  const data = new Uint8Array(vAt + chromaStride * ch).map((_, i) => (i * 37 + (i >> 3) * 11) % 256);
  const planes = [
    { offset: 7, stride },
    { offset: uAt, stride: chromaStride },
  ];
  if (format === 'I420') planes.push({ offset: vAt, stride: chromaStride });
  return { format, width, height, data, planes, timestampUs: 0, colourSpace: { matrix, fullRange } };
}

describe('packRgb', () => {
  it.each([
    ['I420', 'bt709', false],
    ['I420', 'bt709', true],
    ['I420', 'smpte170m', false],
    ['I420', 'smpte170m', true],
    ['NV12', 'bt709', false],
    ['NV12', 'smpte170m', true],
  ] as const)('%s %s, full range %s: the ITU formula within 0.01 levels, odd size, strides', (format, matrix, full) => {
    const [width, height, paddedWidth, paddedHeight] = [13, 7, 16, 8];
    const frame = yuvFrame(format, width, height, matrix, full);
    const target = new Float32Array(3 * paddedWidth * paddedHeight);
    packRgb(frame, target, paddedWidth, paddedHeight);
    const [kr, kb] = matrix === 'bt709' ? [0.2126, 0.0722] : [0.299, 0.114];
    for (let y = 0; y < paddedHeight; y++) {
      for (let x = 0; x < paddedWidth; x++) {
        const [sx, sy] = [Math.min(x, width - 1), Math.min(y, height - 1)];
        const [luma, u, v] = frame.planes;
        const chroma = (plane: { offset: number; stride: number }, step: number, at: number): number =>
          frame.data[plane.offset + (sy >> 1) * plane.stride + (sx >> 1) * step + at]!;
        const cb = format === 'I420' ? chroma(u!, 1, 0) : chroma(u!, 2, 0);
        const cr = format === 'I420' ? chroma(v!, 1, 0) : chroma(u!, 2, 1);
        const expected = itu(frame.data[luma!.offset + sy * luma!.stride + sx]!, cb, cr, kr, kb, full);
        expected.forEach((value, channel) => {
          expect(Math.abs(target[(channel * paddedHeight + y) * paddedWidth + x]! * 255 - value)).toBeLessThan(0.01);
        });
      }
    }
  });

  it.each(['RGBA', 'RGBX', 'BGRA', 'BGRX'] as const)('%s bytes arrive unchanged', (format: PlanarFormat) => {
    const data = Uint8Array.from({ length: 4 * 6 }, (_, i) => i * 10);
    const frame: PlanarFrame = {
      format,
      width: 3,
      height: 2,
      data,
      planes: [{ offset: 0, stride: 12 }],
      timestampUs: 0,
      colourSpace: { matrix: 'bt709', fullRange: true },
    };
    const target = new Float32Array(3 * 8 * 8);
    packRgb(frame, target, 8, 8);
    const order = format.startsWith('RGB') ? [0, 1, 2] : [2, 1, 0];
    for (let channel = 0; channel < 3; channel++) {
      for (let y = 0; y < 8; y++) {
        for (let x = 0; x < 8; x++) {
          const byte = data[Math.min(y, 1) * 12 + Math.min(x, 2) * 4 + order[channel]!]!;
          expect(target[(channel * 8 + y) * 8 + x]).toBeCloseTo(byte / 255, 6);
        }
      }
    }
  });

  it('grey is grey in every space', () => {
    for (const matrix of ['bt709', 'smpte170m', 'bt2020-ncl'] as const) {
      const limited = yuvToRgb({ matrix, fullRange: false });
      expect((235 - limited.lumaOffset) * limited.luma).toBeCloseTo(1, 9);
      const full = yuvToRgb({ matrix, fullRange: true });
      expect(255 * full.luma).toBeCloseTo(1, 9);
    }
  });
});
