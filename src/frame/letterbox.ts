import type { PlanarFrame, PlaneLayout, Size } from './frame.js';
import { copyRows, planeSizes, tightLayout, tightLength } from './planes.js';

/** A part of a picture, in pixels. */
export interface Area extends Size {
  readonly left: number;
  readonly top: number;
}

/**
 * The largest area of a picture in the middle of `target` that has the shape of `source`. Borders lie on even pixels, so
 * that chroma samples stay whole; a shape that is less than two pixels away from the target's fills it.
 */
export function fitInside(source: Size, target: Size): Area {
  const scale = Math.min(target.width / source.width, target.height / source.height);
  const side = (length: number, whole: number): [start: number, length: number] => {
    if (whole - length < 2) return [0, whole];
    const even = Math.min(whole, Math.max(2, 2 * Math.round(length / 2)));
    return [2 * Math.floor((whole - even) / 4), even];
  };
  const [left, width] = side(source.width * scale, target.width);
  const [top, height] = side(source.height * scale, target.height);
  return { left, top, width, height };
}

/** An I420 picture of `size` that is black but for `picture`, I420, at `area`. */
export function withBlackBars(picture: PlanarFrame, area: Area, size: Size): PlanarFrame {
  const planes = tightLayout('I420', size);
  const data = new Uint8Array(tightLength('I420', size)).fill(128);
  data.fill(picture.colourSpace.fullRange ? 0 : 16, 0, size.width * size.height);
  for (const [i, rows] of planeSizes('I420', area).entries()) {
    const { offset, stride } = planes[i] as PlaneLayout;
    const [x, y] = i === 0 ? [area.left, area.top] : [area.left / 2, area.top / 2];
    copyRows(picture.data, picture.planes[i] as PlaneLayout, data, { offset: offset + y * stride + x, stride }, rows);
  }
  return { ...picture, ...size, data, planes };
}
