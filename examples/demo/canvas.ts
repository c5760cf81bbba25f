/** A 2D canvas with its context. */
export interface Surface {
  readonly canvas: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
}

/** The context of a canvas, opaque. `read` keeps the pixels where a script can read them cheaply. */
export function surfaceOf(canvas: HTMLCanvasElement, read = false): Surface {
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: read });
  if (!context) throw new DOMException('This browser has no 2D canvas.', 'NotSupportedError');
  return { canvas, context };
}

/** A new canvas that is not in the page. */
export function newSurface(width: number, height: number, read = false): Surface {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return surfaceOf(canvas, read);
}

/** Draws a picture over the whole of a surface, which takes the size that is given. */
export function fill(surface: Surface, image: CanvasImageSource, width: number, height: number): void {
  const { canvas, context } = surface;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.drawImage(image, 0, 0, width, height);
}
