import { UpscaleError } from './errors.js';
import { type PlanarFormat, type PlanarFrame, sizeText } from './frame.js';

/** Planes of each format: bytes and rows of a plane for a picture of `width` x `height`. */
const PLANES: Readonly<
  Record<PlanarFormat, (width: number, height: number) => readonly (readonly [number, number])[]>
> = {
  I420: (width, height) => [[width, height], half(width, height), half(width, height)],
  NV12: (width, height) => [
    [width, height],
    [2 * Math.ceil(width / 2), Math.ceil(height / 2)],
  ],
  RGBA: rgb32,
  RGBX: rgb32,
  BGRA: rgb32,
  BGRX: rgb32,
};

function half(width: number, height: number): readonly [number, number] {
  return [Math.ceil(width / 2), Math.ceil(height / 2)];
}

function rgb32(width: number, height: number): readonly (readonly [number, number])[] {
  return [[4 * width, height]];
}

/**
 * Checks that a frame holds the pixels it speaks of.
 * @throws UpscaleError `frame-unsupported` with a sentence that says what is wrong
 */
export function checkFrame(frame: PlanarFrame): void {
  const wrong = (what: string): never => {
    throw new UpscaleError('frame-unsupported', `This frame cannot be read: ${what}.`);
  };
  const { format, width, height, planes, data } = frame;
  if (!(format in PLANES)) wrong(`its format must be one of ${Object.keys(PLANES).join(', ')}, not ${format}`);
  if (![width, height].every((side) => Number.isInteger(side) && side > 0)) {
    wrong('its width and height must be positive whole numbers');
  }
  if (!(data instanceof Uint8Array)) wrong('its data must be a Uint8Array');
  if (!Number.isFinite(frame.timestampUs)) wrong('its timestampUs must be a number');
  for (const [i, [bytes, rows]] of PLANES[format](width, height).entries()) {
    const plane = planes[i];
    if (!plane) wrong(`plane ${i} of ${format} is missing`);
    else if (
      plane.stride < bytes ||
      plane.offset < 0 ||
      plane.offset + plane.stride * (rows - 1) + bytes > data.length
    ) {
      wrong(`plane ${i} of a ${sizeText(frame)} ${format} frame does not fit into its data`);
    }
  }
}
