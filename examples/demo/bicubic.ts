/** Keys' bicubic with a = -0.5, which is the Catmull-Rom spline. */
const A = -0.5;

/**
 * Enlarges one plane. Pixel centres are at half-pixels, as with every browser's and the network's enlargement; beyond
 * the edges the edge pixels repeat. Values come out clamped to 0..255 and whole, as a picture's are.
 */
export function bicubic(
  plane: Float32Array,
  width: number,
  height: number,
  outWidth: number,
  outHeight: number,
): Float32Array {
  const columns = taps(width, outWidth);
  const rows = taps(height, outHeight);
  const wide = new Float32Array(outWidth * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outWidth; x++) {
      let sum = 0;
      for (let k = x * 4; k < x * 4 + 4; k++) {
        sum += (columns.weights[k] as number) * (plane[y * width + (columns.indices[k] as number)] as number);
      }
      wide[y * outWidth + x] = sum;
    }
  }
  const out = new Float32Array(outWidth * outHeight);
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      let sum = 0;
      for (let k = y * 4; k < y * 4 + 4; k++) {
        sum += (rows.weights[k] as number) * (wide[(rows.indices[k] as number) * outWidth + x] as number);
      }
      out[y * outWidth + x] = Math.round(Math.min(255, Math.max(0, sum)));
    }
  }
  return out;
}

/** For each output position the four input positions it is made of, and their weights. */
function taps(length: number, outLength: number): { indices: Int32Array; weights: Float32Array } {
  const indices = new Int32Array(outLength * 4);
  const weights = new Float32Array(outLength * 4);
  for (let out = 0; out < outLength; out++) {
    const position = ((out + 0.5) * length) / outLength - 0.5;
    const first = Math.floor(position) - 1;
    for (let tap = 0; tap < 4; tap++) {
      indices[out * 4 + tap] = Math.min(length - 1, Math.max(0, first + tap));
      weights[out * 4 + tap] = kernel(position - (first + tap));
    }
  }
  return { indices, weights };
}

function kernel(distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return (A + 2) * x ** 3 - (A + 3) * x ** 2 + 1;
  return x < 2 ? A * (x ** 3 - 5 * x ** 2 + 8 * x - 4) : 0;
}
