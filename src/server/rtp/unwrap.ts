/** The number nearest to `reference` that is `value` in its lowest `bits` bits. Half a cycle away counts as behind. */
export function unwrapNear(value: number, reference: number, bits: number): number {
  const cycle = 2 ** bits;
  const ahead = modulo(value - reference, cycle);
  return reference + (ahead < cycle / 2 ? ahead : ahead - cycle);
}

/** The remainder that is never negative. */
export function modulo(value: number, cycle: number): number {
  const rest = value % cycle;
  return rest < 0 ? rest + cycle : rest;
}

/**
 * Makes numbers that wrap around (16-bit sequence numbers, 32-bit timestamps) into numbers that go on. Reordering does no
 * harm, and neither does a value far from all others: it is unwrapped, but where others are measured from moves only when
 * the next value confirms it, as in RFC 3550, appendix A.1.
 */
export class Unwrapper {
  #reference: number | undefined;
  #jump: number | undefined;
  readonly #farthest: number;

  /** @param bits of the numbers, 32 at most */
  constructor(readonly bits: number) {
    this.#farthest = 2 ** (bits - 4);
  }

  /** The value as a number that goes on; the first one stays as it is. */
  unwrap(value: number): number {
    if (this.#reference === undefined) {
      this.#reference = value;
      return value;
    }
    const unwrapped = unwrapNear(value, this.#reference, this.bits);
    if (Math.abs(unwrapped - this.#reference) <= this.#farthest) {
      this.#reference = Math.max(this.#reference, unwrapped);
      this.#jump = undefined;
    } else if (this.#jump !== undefined && Math.abs(unwrapped - this.#jump) <= this.#farthest / 8) {
      this.#reference = unwrapped;
      this.#jump = undefined;
    } else this.#jump = unwrapped;
    return unwrapped;
  }

  /** Forgets all: the next value is the first. */
  reset(): void {
    this.#reference = undefined;
    this.#jump = undefined;
  }
}
