/**
 * A frame's number as a row of black and white cells, so that it can be read back from the pixels after any way that a
 * picture may take: track, codec, canvas, network.
 */

/** Cells in a row: twelve bits of number, most significant first, then four bits that check them. */
export const CELLS = 16;
/** Numbers go from 0 to one less than this, then start again. */
export const NUMBERS = 4096;

const DARK = 96;
const BRIGHT = 160;

/** The cells of a number: `true` is white. */
export function cellsOf(number: number): boolean[] {
  const word = (number << 4) | check(number);
  return Array.from({ length: CELLS }, (_, index) => ((word >> (CELLS - 1 - index)) & 1) === 1);
}

/**
 * The number in a row of cells, or `null` where there is none.
 * @param lumas the mean luma of each cell, 0..255
 */
export function numberOf(lumas: ArrayLike<number>): number | null {
  let word = 0;
  for (let index = 0; index < CELLS; index++) {
    const luma = lumas[index] ?? 128;
    if (luma > DARK && luma < BRIGHT) return null;
    word = (word << 1) | (luma >= BRIGHT ? 1 : 0);
  }
  const number = word >> 4;
  return check(number) === (word & 15) ? number : null;
}

/** Never all equal to the number's own bits, so that a black or a white picture is no number. */
function check(number: number): number {
  return ((number >> 8) ^ (number >> 4) ^ number ^ 0b0101) & 15;
}
