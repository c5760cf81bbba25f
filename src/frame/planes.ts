import type { PlanarFormat, PlanarFrame, PlaneLayout, Size } from './frame.js';

/** Bytes and rows of one plane, without padding. */
export interface PlaneSize {
  readonly bytes: number;
  readonly rows: number;
}

/** The planes of a picture, in the format's order. */
export function planeSizes(format: PlanarFormat, { width, height }: Size): readonly PlaneSize[] {
  const columns = Math.ceil(width / 2);
  const rows = Math.ceil(height / 2);
  switch (format) {
    case 'I420':
      return [
        { bytes: width, rows: height },
        { bytes: columns, rows },
        { bytes: columns, rows },
      ];
    case 'NV12':
      return [
        { bytes: width, rows: height },
        { bytes: 2 * columns, rows },
      ];
    default:
      return [{ bytes: 4 * width, rows: height }];
  }
}

/** Where the planes lie in a buffer without padding. */
export function tightLayout(format: PlanarFormat, size: Size): readonly PlaneLayout[] {
  let offset = 0;
  return planeSizes(format, size).map(({ bytes, rows }) => {
    const layout = { offset, stride: bytes };
    offset += bytes * rows;
    return layout;
  });
}

/** Bytes of a picture without padding. */
export function tightLength(format: PlanarFormat, size: Size): number {
  return planeSizes(format, size).reduce((sum, { bytes, rows }) => sum + bytes * rows, 0);
}

/** Copies rows of `bytes` bytes from one plane to another. */
export function copyRows(
  source: Uint8Array,
  from: PlaneLayout,
  target: Uint8Array,
  to: PlaneLayout,
  { bytes, rows }: PlaneSize,
): void {
  if (rows === 0) return;
  if (from.stride === to.stride) {
    const length = (rows - 1) * from.stride + bytes;
    target.set(source.subarray(from.offset, from.offset + length), to.offset);
    return;
  }
  for (let row = 0, read = from.offset, write = to.offset; row < rows; row++, read += from.stride, write += to.stride) {
    target.set(source.subarray(read, read + bytes), write);
  }
}

/** A copy of a frame without padding. It owns its memory. */
export function tightCopy(frame: PlanarFrame): PlanarFrame {
  const { format } = frame;
  const data = new Uint8Array(tightLength(format, frame));
  const planes = tightLayout(format, frame);
  for (const [i, size] of planeSizes(format, frame).entries()) {
    copyRows(frame.data, frame.planes[i] as PlaneLayout, data, planes[i] as PlaneLayout, size);
  }
  return { ...frame, data, planes };
}

/** The part of a frame's top left corner that is as large as `size`. It shares the frame's memory. */
export function cornerOf(frame: PlanarFrame, { width, height }: Size): PlanarFrame {
  return { ...frame, width, height };
}
