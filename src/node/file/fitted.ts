import type { PlanarFrame, Size } from '../../frame/frame.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { nativeFrame, Resampling } from './resampling.js';

/**
 * A picture of 4-byte pixels in another size: as large as fits, in the middle, with black bars where its shape differs.
 * Borders lie on even pixels.
 */
export async function fitted(av: NodeAv, planar: PlanarFrame, size: Size): Promise<PlanarFrame> {
  const zoom = Math.min(size.width / planar.width, size.height / planar.height);
  const even = (length: number, most: number): number =>
    Math.min(most, Math.max(2, 2 * Math.round((length * zoom) / 2)));
  const inner = { width: even(planar.width, size.width), height: even(planar.height, size.height) };
  const { AV_PIX_FMT_RGB0 } = av.constants;
  const source = nativeFrame(av, AV_PIX_FMT_RGB0, planar);
  const target = nativeFrame(av, AV_PIX_FMT_RGB0, inner);
  const resampling = new Resampling(av, 'bicubic+accurate_rnd');
  try {
    fillRgb32(source.data?.[0], source.linesize[0], planar.data, planar);
    await resampling.run(target, source);
    const drawn = target.toBuffer();
    const data = new Uint8Array(4 * size.width * size.height);
    const left = 2 * Math.floor((size.width - inner.width) / 4);
    const top = 2 * Math.floor((size.height - inner.height) / 4);
    for (let y = 0; y < inner.height; y++) {
      const row = drawn.subarray(4 * inner.width * y, 4 * inner.width * (y + 1));
      data.set(row, 4 * (size.width * (top + y) + left));
    }
    return { ...planar, ...size, data, planes: [{ offset: 0, stride: 4 * size.width }] };
  } finally {
    resampling.dispose();
    source.free();
    target.free();
  }
}

/** Copies 4-byte pixels into a plane of FFmpeg's, row by row where that is padded. */
export function fillRgb32(
  plane: Uint8Array | undefined,
  stride: number | undefined,
  data: Uint8Array,
  { width, height }: Size,
): void {
  if (!plane || stride === undefined) throw new RangeError('A picture of FFmpeg’s has no plane.');
  const bytes = 4 * width;
  if (stride === bytes) plane.set(data.subarray(0, bytes * height));
  else for (let y = 0; y < height; y++) plane.set(data.subarray(y * bytes, (y + 1) * bytes), y * stride);
}
