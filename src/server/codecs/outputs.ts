/** Longest that a codec may take for a picture before it counts as stuck. */
const LONGEST_MS = 5_000;
/** How long a result is waited for after the codec has said that it took the picture: it may come a moment later. */
const GRACE_MS = 20;

/** Gathers what a WebCodecs codec calls back with, for those who wait for the results of one picture. */
export class Outputs<T> {
  readonly #results: T[] = [];
  #error: Error | undefined;
  #taken = false;
  #wake: (() => void) | undefined;

  readonly output = (result: T): void => {
    this.#results.push(result);
    this.#wake?.();
  };
  readonly error = (error: Error): void => {
    this.#error ??= error;
    this.#wake?.();
  };
  readonly dequeue = (): void => {
    this.#taken = true;
    this.#wake?.();
  };

  /** Call before a picture is handed over. */
  begin(): void {
    this.#taken = false;
  }

  /** What came of the picture: mostly one result, none where the codec holds it back. @throws what the codec failed with */
  async collect(): Promise<T[]> {
    // Both come, in either order. To go on without the word that it was taken would be to take it for the next one's.
    await this.#until(() => this.#taken, LONGEST_MS);
    if (this.#results.length === 0) await this.#until(() => this.#results.length > 0, GRACE_MS);
    if (this.#error) throw this.#error;
    if (!this.#taken) throw new Error('The codec does not answer.');
    return this.#results.splice(0);
  }

  /** Hands over what nobody waited for. */
  drain(): T[] {
    return this.#results.splice(0);
  }

  #until(done: () => boolean, longestMs: number): Promise<void> {
    if (done() || this.#error) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(finish, longestMs);
      this.#wake = () => {
        if (done() || this.#error) finish();
      };
    });
  }
}
