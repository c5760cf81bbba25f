import { upscaleTrack } from '/dist/index.js';
import { packRgb, yuvToRgb } from '../../src/frame/colour.js';
import type { ColourMatrix, ColourSpace } from '../../src/frame/frame.js';
import { PlaneReader } from '../../src/frame/video-frame.js';
import { view } from './sources.js';

/** A way to say what a frame's samples mean: `undefined` says nothing. */
export interface Case {
  readonly format: 'I420' | 'NV12' | 'RGBA' | 'RGBX' | 'BGRA' | 'BGRX';
  readonly matrix?: ColourMatrix;
  readonly fullRange?: boolean;
}

/** Encodes RGBA bytes the way a camera does: 8-bit planes, chroma of each block's mean. */
function encode(
  rgba: Uint8ClampedArray,
  width: number,
  height: number,
  { format }: Case,
  space: ColourSpace,
): Uint8Array {
  if (format !== 'I420' && format !== 'NV12') {
    const order = format.startsWith('RGB') ? [0, 1, 2, 3] : [2, 1, 0, 3];
    return Uint8Array.from(rgba, (_, i) => rgba[(i & ~3) + (order[i & 3] as number)] as number);
  }
  const m = yuvToRgb(space);
  const kr = 1 - m.redFromCr / 2 / (space.fullRange ? 1 / 255 : 1 / 224);
  const kb = 1 - m.blueFromCb / 2 / (space.fullRange ? 1 / 255 : 1 / 224);
  const [cw, ch] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const out = new Uint8Array(width * height + 2 * cw * ch);
  const luma = (x: number, y: number): [number, number, number] => {
    const at = (Math.min(y, height - 1) * width + Math.min(x, width - 1)) * 4;
    const [r, g, b] = [rgba[at] as number, rgba[at + 1] as number, rgba[at + 2] as number].map((v) => v / 255) as [
      number,
      number,
      number,
    ];
    return [kr * r + (1 - kr - kb) * g + kb * b, b, r];
  };
  const sample = (value: number): number => Math.min(Math.max(Math.round(value), 0), 255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) out[y * width + x] = sample(luma(x, y)[0] / m.luma + m.lumaOffset);
  }
  for (let y = 0; y < ch; y++) {
    for (let x = 0; x < cw; x++) {
      let [cb, cr] = [0, 0];
      for (const [dx, dy] of [
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
      ] as const) {
        const [l, b, r] = luma(2 * x + dx, 2 * y + dy);
        cb += (b - l) / m.blueFromCb / 4;
        cr += (r - l) / m.redFromCr / 4;
      }
      const at = y * cw + x;
      const base = width * height;
      if (format === 'I420') {
        out[base + at] = sample(cb + 128);
        out[base + cw * ch + at] = sample(cr + 128);
      } else {
        out[base + 2 * at] = sample(cb + 128);
        out[base + 2 * at + 1] = sample(cr + 128);
      }
    }
  }
  return out;
}

function frameOf(
  bytes: Uint8Array,
  width: number,
  height: number,
  test: Case,
  timestamp: number,
  rect?: DOMRectInit,
): VideoFrame {
  const colorSpace = {
    ...(test.matrix
      ? { matrix: test.matrix, primaries: test.matrix === 'bt709' ? 'bt709' : 'smpte170m', transfer: 'bt709' }
      : {}),
    ...(test.fullRange === undefined ? {} : { fullRange: test.fullRange }),
  };
  return new VideoFrame(bytes, {
    format: test.format,
    codedWidth: width,
    codedHeight: height,
    timestamp,
    ...(test.format.startsWith('I') || test.format.startsWith('N') ? { colorSpace } : {}),
    ...(rect ? { visibleRect: rect } : {}),
  } as VideoFrameBufferInit);
}

/** Largest difference, in levels, between what is read of a frame and the exact formula, for a case, size and crop. */
export async function reading(test: Case, width: number, height: number, crop: boolean): Promise<number> {
  const space = { matrix: test.matrix ?? 'bt709', fullRange: test.fullRange ?? false };
  const { data } = await view(3, width, height, 1);
  const bytes = encode(data, width, height, test, space);
  const rect = crop ? { x: 4, y: 2, width: width - 9, height: height - 5 } : { x: 0, y: 0, width, height };
  const frame = frameOf(bytes, width, height, test, 0, rect);
  const planar = await new PlaneReader().read(frame);
  frame.close();
  if (planar.width !== rect.width || planar.height !== rect.height) return Number.POSITIVE_INFINITY;
  const got = new Float32Array(3 * rect.width * rect.height);
  packRgb(planar, got, rect.width, rect.height);
  const m = yuvToRgb(space);
  const cw = Math.ceil(width / 2);
  const base = width * height;
  const chromaSize = cw * Math.ceil(height / 2);
  let worst = 0;
  for (let y = 0; y < rect.height; y++) {
    for (let x = 0; x < rect.width; x++) {
      const [sx, sy] = [x + rect.x, y + rect.y];
      let rgb: number[];
      if (test.format === 'I420' || test.format === 'NV12') {
        const at = (sy >> 1) * cw + (sx >> 1);
        const cb = (bytes[test.format === 'I420' ? base + at : base + 2 * at] as number) - 128;
        const cr = (bytes[test.format === 'I420' ? base + chromaSize + at : base + 2 * at + 1] as number) - 128;
        const grey = ((bytes[sy * width + sx] as number) - m.lumaOffset) * m.luma;
        rgb = [grey + m.redFromCr * cr, grey + m.greenFromCb * cb + m.greenFromCr * cr, grey + m.blueFromCb * cb];
      } else {
        rgb = [0, 1, 2].map((c) => (data[(sy * width + sx) * 4 + c] as number) / 255);
      }
      rgb.forEach((value, c) => {
        const read = got[(c * rect.height + y) * rect.width + x] as number;
        worst = Math.max(worst, Math.abs(Math.min(Math.max(value, 0), 1) - read) * 255);
      });
    }
  }
  return worst;
}

/** Mean of R, G and B of the middle of a screenshot's two halves, in levels: left and right. */
export async function halves(png: string): Promise<[left: number[], right: number[]]> {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d') as OffscreenCanvasRenderingContext2D;
  canvas.drawImage(bitmap, 0, 0);
  const mean = (left: number): number[] => {
    const pixels = canvas.getImageData(left, 0, bitmap.width / 2, bitmap.height).data;
    return [0, 1, 2].map(
      (c) => pixels.reduce((sum, value, i) => (i % 4 === c ? sum + value : sum), 0) / (pixels.length / 4),
    );
  };
  return [mean(0), mean(bitmap.width / 2)];
}

let level = '';

/** What makes the output's picture now. */
export function levelNow(): string {
  return level;
}

/** Shows a still source, enlarged by the browser, and its upscaled track side by side, each 192 x 128 pixels. */
export async function sideBySide(test: Case, model: string): Promise<void> {
  const [width, height] = [96, 64];
  const { data } = await view(20, width, height, 4);
  const space = { matrix: test.matrix ?? 'bt709', fullRange: test.fullRange ?? false };
  const bytes = encode(data, width, height, test, space);
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = generator.writable.getWriter();
  let fed = 0;
  setInterval(() => {
    const frame = frameOf(bytes, width, height, test, fed++ * 40_000);
    writer.write(frame).catch(() => frame.close());
  }, 40);
  const upscaled = await upscaleTrack(generator, { backend: 'wasm', model, budgetMs: 20_000, minFrameRate: 0 });
  level = 'fast';
  upscaled.addEventListener('level', ({ detail }) => {
    level = detail.to;
  });
  document.body.style.cssText = 'margin: 0; display: flex';
  for (const track of [generator, upscaled.track]) {
    const video = document.createElement('video');
    video.style.cssText = 'width: 192px; height: 128px';
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    document.body.append(video);
    await video.play();
  }
}
