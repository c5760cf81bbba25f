import type { PlanarFrame, Size } from '../../frame/frame.js';
import { fitInside } from '../../frame/letterbox.js';
import { copyRows } from '../../frame/planes.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { nativeFrame, type Resampling } from './resampling.js';

/**
 * A picture of 4-byte pixels in another size: as large as fits, in the middle, with black bars where its shape differs.
 * Borders lie on even pixels.
 * @param resampling what draws it
 */
export async function fitted(
  av: NodeAv,
  resampling: Resampling,
  planar: PlanarFrame,
  size: Size,
): Promise<PlanarFrame> {
  const area = fitInside(planar, size);
  const { AV_PIX_FMT_RGB0 } = av.constants;
  const source = nativeFrame(av, AV_PIX_FMT_RGB0, planar);
  const target = nativeFrame(av, AV_PIX_FMT_RGB0, area);
  try {
    fillRgb32(source.data?.[0], source.linesize[0], planar.data, planar);
    await resampling.run(target, source);
    const drawn = target.toBuffer();
    const data = new Uint8Array(4 * size.width * size.height);
    const stride = 4 * size.width;
    const from = { offset: 0, stride: 4 * area.width };
    const to = { offset: area.top * stride + 4 * area.left, stride };
    copyRows(drawn, from, data, to, { bytes: from.stride, rows: area.height });
    return { ...planar, ...size, data, planes: [{ offset: 0, stride }] };
  } finally {
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
