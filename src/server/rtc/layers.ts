import type { Size } from '../../frame/frame.js';

/** What is known of one layer of a simulcast. */
export interface Layer {
  /** `undefined` before its first keyframe. */
  readonly size: Size | undefined;
  /** Whether packets of it come. */
  readonly active: boolean;
}

/** What a layer has to fit into. */
export interface LayerBounds {
  /** Pixels of the longer side. */
  readonly maxSide: number;
  readonly maxPixels: number;
}

/** Whether pictures of a size are allowed. */
export function fits({ width, height }: Size, { maxSide, maxPixels }: LayerBounds): boolean {
  return Math.max(width, height) <= maxSide && width * height <= maxPixels;
}

/**
 * The layer to use: of those that come the largest that fits. Where none fits, the smallest that comes; where no size is known
 * yet, the one in use, or the first that comes.
 * @returns its index, or -1 where no layer comes
 */
export function chooseLayer(layers: readonly Layer[], bounds: LayerBounds, current: number): number {
  let best = -1;
  let smallest = -1;
  let unknown = -1;
  layers.forEach(({ size, active }, index) => {
    if (!active) return;
    if (!size) {
      if (unknown < 0 || index === current) unknown = index;
      return;
    }
    if (fits(size, bounds) && pixels(layers, index) > pixels(layers, best)) best = index;
    if (smallest < 0 || pixels(layers, index) < pixels(layers, smallest)) smallest = index;
  });
  if (best >= 0) return best;
  return smallest >= 0 ? smallest : unknown;
}

function pixels(layers: readonly Layer[], index: number): number {
  const size = layers[index]?.size;
  return size ? size.width * size.height : 0;
}
