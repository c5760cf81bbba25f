import { packRgb, yuvToRgb } from '../../frame/colour.js';
import type { ColourSpace, PlanarFrame } from '../../frame/frame.js';
import { tightCopy, tightLayout, tightLength } from '../../frame/planes.js';

/**
 * Any frame as I420 with another matrix and range, in TypeScript: exact, and slow (tens of milliseconds at 1280x720).
 * A chroma sample is the mean of its 2x2 pixels.
 */
export function toI420(frame: PlanarFrame, colourSpace: ColourSpace): PlanarFrame {
  const { width, height } = frame;
  const same = frame.colourSpace.matrix === colourSpace.matrix && frame.colourSpace.fullRange === colourSpace.fullRange;
  if (frame.format === 'I420' && same) return tightCopy(frame);
  const area = width * height;
  const rgb = new Float32Array(3 * area);
  packRgb(frame, rgb, width, height);
  const { lumaOffset, luma, redFromCr, blueFromCb } = yuvToRgb(colourSpace);
  const chroma = colourSpace.fullRange ? 255 : 224;
  const kr = 1 - (redFromCr * chroma) / 2;
  const kb = 1 - (blueFromCb * chroma) / 2;
  const grey = new Float32Array(area);
  for (let i = 0; i < area; i++) {
    const [r, g, b] = [rgb[i] as number, rgb[area + i] as number, rgb[2 * area + i] as number];
    grey[i] = kr * r + (1 - kr - kb) * g + kb * b;
  }
  const data = new Uint8ClampedArray(tightLength('I420', frame));
  for (let i = 0; i < area; i++) data[i] = lumaOffset + (grey[i] as number) / luma;
  const size = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const second = area + size.width * size.height;
  for (let y = 0, write = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++, write++) {
      const across = Math.min(2, width - 2 * x);
      const down = Math.min(2, height - 2 * y);
      let [cb, cr] = [0, 0];
      for (let row = 0; row < down; row++) {
        for (let column = 0; column < across; column++) {
          const at = (2 * y + row) * width + 2 * x + column;
          cb += (rgb[2 * area + at] as number) - (grey[at] as number);
          cr += (rgb[at] as number) - (grey[at] as number);
        }
      }
      const count = across * down;
      data[area + write] = 128 + cb / count / blueFromCb;
      data[second + write] = 128 + cr / count / redFromCr;
    }
  }
  const planes = tightLayout('I420', frame);
  return { ...frame, format: 'I420', data: new Uint8Array(data.buffer), planes, colourSpace };
}
