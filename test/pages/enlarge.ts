import { wholePlan } from '../../src/engine/engine.js';
import { TileEnlarger } from '../../src/engine/enlarge.js';
import { packRgb } from '../../src/frame/colour.js';
import type { Size } from '../../src/frame/frame.js';
import { rgbx } from '../../src/frame/rgbx.js';
import { FastScaler } from '../../src/media/scaler.js';

/** A crop of the real photograph of the fixtures, 4 bytes a pixel. */
async function photo({ width, height }: Size, left: number, top: number): Promise<Uint8ClampedArray> {
  const blob = await (await fetch('/test/fixtures/picture.jpg')).blob();
  const context = new OffscreenCanvas(width, height).getContext('2d') as OffscreenCanvasRenderingContext2D;
  context.drawImage(await createImageBitmap(blob, left, top, width, height), 0, 0);
  return context.getImageData(0, 0, width, height).data;
}

/** Levels between a photograph as tiles without the network are made, and as the fast scaler makes it. */
export async function againstScaler(size: Size, scale: number): Promise<{ mean: number; max: number }> {
  const pixels = await photo(size, 60, 100);
  const output = { width: size.width * scale, height: size.height * scale };
  const frame = new VideoFrame(pixels as Uint8ClampedArray<ArrayBuffer>, {
    format: 'RGBX',
    codedWidth: size.width,
    codedHeight: size.height,
    timestamp: 0,
  });
  const scaled = new FastScaler(output).draw(frame);
  frame.close();
  const theirs = new Uint8Array(output.width * output.height * 4);
  await scaled.copyTo(theirs, { format: 'RGBX', layout: [{ offset: 0, stride: output.width * 4 }] });
  scaled.close();

  const picture = { width: Math.ceil(size.width / 8) * 8, height: Math.ceil(size.height / 8) * 8 };
  const packed = new Float32Array(3 * picture.width * picture.height);
  packRgb(rgbx(pixels, size.width, size.height, { timestampUs: 0 }), packed, picture.width, picture.height);
  const ours = new Uint8ClampedArray(theirs.length);
  const plan = wholePlan(picture);
  new TileEnlarger(plan, scale, output).enlarge(packed, plan.tiles, ours.slice(), ours);
  let sum = 0;
  let max = 0;
  for (let i = 0; i < ours.length; i++) {
    if (i % 4 === 3) continue;
    const off = Math.abs((ours[i] as number) - (theirs[i] as number));
    sum += off;
    max = Math.max(max, off);
  }
  const values = (ours.length * 3) / 4;
  return { mean: sum / values, max };
}
