/** The largest number there is. */
const LARGEST = 0x7bff;

/** Numbers in IEEE 754 half precision, rounded to nearest, ties to even; those that are too large become the largest. */
export function toHalf(numbers: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  return Uint16Array.from(numbers, (number) => {
    float[0] = number;
    const word = bits[0] ?? 0;
    const sign = (word >>> 16) & 0x8000;
    const exponent = ((word >>> 23) & 255) - 112;
    const fraction = word & 0x7fffff;
    if (exponent >= 31) return sign | LARGEST;
    // Below the smallest normal number the leading one is written out, and digits fall off.
    if (exponent < -10) return sign;
    const shift = exponent > 0 ? 13 : 14 - exponent;
    const digits = exponent > 0 ? fraction : fraction | 0x800000;
    const half = (exponent > 0 ? exponent << 10 : 0) + (digits >>> shift);
    const rest = digits & (2 ** shift - 1);
    const middle = 2 ** (shift - 1);
    return sign | Math.min(LARGEST, half + (rest > middle || (rest === middle && half & 1) ? 1 : 0));
  });
}
