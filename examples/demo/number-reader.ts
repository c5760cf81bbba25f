import { CELLS, numberOf } from './barcode.js';
import { newSurface, type Surface } from './canvas.js';
import { luma } from './psnr.js';

const CELL = 4;

/** Reads the number that a frame of the scene carries in its lowest rows. */
export class NumberReader {
  readonly #strip: Surface = newSurface(CELLS * CELL, CELL, true);

  /** @param share of the frame's height that carries the number; 0 when it carries none */
  read(frame: VideoFrame, share: number): number | null {
    if (share === 0) return null;
    const { displayWidth, displayHeight } = frame;
    const rows = displayHeight * share;
    const { context } = this.#strip;
    // The middle half of the rows: a codec or the network may blur the edge above them.
    context.drawImage(frame, 0, displayHeight - rows * 0.75, displayWidth, rows / 2, 0, 0, CELLS * CELL, CELL);
    const lumas = luma(context.getImageData(0, CELL / 2, CELLS * CELL, 1).data);
    return numberOf(Array.from({ length: CELLS }, (_, cell) => lumas[cell * CELL + CELL / 2] as number));
  }
}
