/** Luma of RGBA pixels: BT.601 weights, full range 0..255. */
export function luma(rgba: ArrayLike<number>): Float32Array {
  const out = new Float32Array(rgba.length / 4);
  for (let i = 0; i < out.length; i++) {
    const p = i * 4;
    out[i] = 0.299 * (rgba[p] as number) + 0.587 * (rgba[p + 1] as number) + 0.114 * (rgba[p + 2] as number);
  }
  return out;
}

/** Mean squared difference of the first `count` values. */
export function squaredError(a: ArrayLike<number>, b: ArrayLike<number>, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return sum / count;
}

/** Peak signal-to-noise ratio in dB of 8-bit values, from their mean squared error. */
export function psnr(meanSquaredError: number): number {
  return meanSquaredError === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(255 ** 2 / meanSquaredError);
}
