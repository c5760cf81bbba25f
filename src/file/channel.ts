/** A queue between two loops: it holds `room` items at most, and whoever puts one more waits. */
export class Channel<T> {
  readonly #items: T[] = [];
  #over: { readonly error?: unknown } | undefined;
  #wake: (() => void)[] = [];

  /** @param room items that may wait */
  constructor(readonly room: number) {}

  /** Settles when the item has room. @throws what the channel failed with */
  async put(item: T): Promise<void> {
    while (!this.#over && this.#items.length >= this.room) await this.#change();
    if (this.#over) throw this.#over.error ?? new Error('The channel has ended.');
    this.#items.push(item);
    this.#changed();
  }

  /** The next item, `undefined` after the last one. @throws what the channel failed with */
  async take(): Promise<T | undefined> {
    while (!this.#over && this.#items.length === 0) await this.#change();
    if (this.#over?.error !== undefined) throw this.#over.error;
    const item = this.#items.shift();
    this.#changed();
    return item;
  }

  /** No item comes any more. */
  end(): void {
    this.#over ??= {};
    this.#changed();
  }

  /** Both sides fail from now on. */
  fail(error: unknown): void {
    this.#over = this.#over?.error === undefined ? { error } : this.#over;
    this.#items.length = 0;
    this.#changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
