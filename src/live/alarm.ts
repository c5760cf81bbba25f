/**
 * Something that ends waiting. Promises are not raced against it, because one that stays pending for long would keep a
 * reaction for each race.
 */
export class Alarm {
  #raised = false;
  readonly #waiting = new Set<() => void>();

  get raised(): boolean {
    return this.#raised;
  }

  /** Nobody who waits need wait any longer. */
  raise(): void {
    this.#raised = true;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** It is over. */
  calm(): void {
    this.#raised = false;
  }

  /** Settles as `work` does, which must not reject, or with `undefined` when the alarm is raised. */
  unless<T>(work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const wake = (): void => resolve(undefined);
      work.then((value) => {
        this.#waiting.delete(wake);
        resolve(value);
      });
      if (this.#raised) wake();
      else this.#waiting.add(wake);
    });
  }
}
