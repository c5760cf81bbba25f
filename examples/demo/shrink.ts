import { newSurface, type Surface } from './canvas.js';

/**
 * Makes pictures smaller by averaging: halves them as often as that fits (a bilinear sample midway between four pixels
 * is their mean), then does the rest with the browser's best.
 */
export class Shrinker {
  readonly #steps: Surface[] = [];

  /** @param read whether the results are read by scripts */
  constructor(readonly read: boolean) {}

  /** Draws `image`, of the size given, into `target`. */
  draw(image: CanvasImageSource, width: number, height: number, target: Surface): void {
    const { width: targetWidth, height: targetHeight } = target.canvas;
    let from = image;
    let [w, h] = [width, height];
    for (let step = 0; w >= 4 * targetWidth && h >= 4 * targetHeight; step++) {
      [w, h] = [Math.round(w / 2), Math.round(h / 2)];
      const surface = this.#step(step, w, h);
      surface.context.imageSmoothingQuality = 'low';
      surface.context.drawImage(from, 0, 0, w, h);
      from = surface.canvas;
    }
    const halves = w === 2 * targetWidth && h === 2 * targetHeight;
    target.context.imageSmoothingQuality = halves ? 'low' : 'high';
    target.context.drawImage(from, 0, 0, targetWidth, targetHeight);
  }

  #step(index: number, width: number, height: number): Surface {
    const known = this.#steps[index];
    if (known?.canvas.width === width && known.canvas.height === height) return known;
    const made = newSurface(width, height, this.read);
    this.#steps[index] = made;
    return made;
  }
}
