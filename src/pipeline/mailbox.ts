/**
 * A place for one item while another is worked on: a newer item replaces the one that waits.
 * This is the whole queue of a live stream, so delay cannot grow.
 */
export class Mailbox<T> {
  #waiting: { item: T } | undefined;
  #working: Promise<void> | undefined;
  #closed = false;

  /**
   * @param handle works on one item; a rejection ends up in `failed`
   * @param drop receives an item that was replaced or came after the end
   */
  constructor(
    readonly handle: (item: T) => Promise<void>,
    readonly drop: (item: T) => void,
    readonly failed: (thrown: unknown) => void,
  ) {}

  /** Hands in an item: it is worked on at once, or waits, replacing the one that waited. */
  offer(item: T): void {
    if (this.#closed) {
      this.drop(item);
      return;
    }
    if (this.#waiting) this.drop(this.#waiting.item);
    this.#waiting = { item };
    this.#working ??= this.#work();
  }

  /** Whether an item waits. */
  get waiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Takes the item that waits if it can stand in for an older one that has not been begun. */
  takeIf(fits: (item: T) => boolean): T | undefined {
    const item = this.#waiting?.item;
    if (item === undefined || !fits(item)) return undefined;
    this.#waiting = undefined;
    return item;
  }

  /** Settles when nothing is worked on and nothing waits. */
  async idle(): Promise<void> {
    while (this.#working) await this.#working;
  }

  /** Drops what waits and whatever comes later. */
  close(): void {
    this.#closed = true;
    if (this.#waiting) this.drop(this.#waiting.item);
    this.#waiting = undefined;
  }

  async #work(): Promise<void> {
    // The item is taken in a later turn, so that offers of one turn replace each other.
    await undefined;
    try {
      while (this.#waiting) {
        const { item } = this.#waiting;
        this.#waiting = undefined;
        await this.handle(item).catch(this.failed);
      }
    } finally {
      this.#working = undefined;
    }
  }
}
