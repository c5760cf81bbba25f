/** The median of the last few values of a series: what is usual, whatever one of them was. */
export class Medians {
  readonly #values: number[] = [];
  #next = 0;

  /** @param length values that count; odd */
  constructor(readonly length: number) {}

  /** Values that are there. */
  get count(): number {
    return this.#values.length;
  }

  /** `undefined` before the first value. */
  get median(): number | undefined {
    const { length } = this.#values;
    return length === 0 ? undefined : this.#values.toSorted((a, b) => a - b)[length >> 1];
  }

  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.length;
  }

  clear(): void {
    this.#values.length = 0;
    this.#next = 0;
  }
}
