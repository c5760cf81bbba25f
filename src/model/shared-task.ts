/** What a caller of a {@link SharedTask} brings along. */
export interface Joining<Progress> {
  /** Ends this caller's waiting. */
  readonly signal?: AbortSignal | undefined;
  /** Told how far the work is. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Work that several callers wait for together. Each may leave at any time without disturbing the others; when the last
 * has left, the work is stopped.
 */
export class SharedTask<Result, Progress> {
  readonly #stop = new AbortController();
  readonly #waiting = new Set<{ readonly tell: (progress: Progress) => void }>();
  #result: Promise<Result> | undefined;
  #latest: Progress | undefined;

  /**
   * @param work started by the first caller
   * @param failed called once when the work fails or is stopped: nobody should join it any more
   */
  constructor(
    readonly work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<Result>,
    readonly failed: () => void,
  ) {}

  /** Settles with the work; rejects at once, with the signal's reason, when the caller's signal is aborted. */
  join({ signal, onProgress }: Joining<Progress>): Promise<Result> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#result ??= this.#start();
    const result = this.#result;
    const caller = { tell: (progress: Progress): void => tell(onProgress, progress) };
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(caller);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        leave();
        reject(signal?.reason);
        if (this.#waiting.size === 0) {
          this.failed();
          this.#stop.abort(signal?.reason);
        }
      };
      this.#waiting.add(caller);
      signal?.addEventListener('abort', abort);
      if (this.#latest !== undefined) caller.tell(this.#latest);
      result.finally(leave).then(resolve, reject);
    });
  }

  async #start(): Promise<Result> {
    try {
      return await this.work(this.#stop.signal, (progress) => {
        this.#latest = progress;
        for (const caller of this.#waiting) caller.tell(progress);
      });
    } catch (thrown) {
      if (!this.#stop.signal.aborted) this.failed();
      // Whatever of the work still goes on is not wanted any more.
      this.#stop.abort(thrown);
      throw thrown;
    }
  }
}

function tell<Progress>(onProgress: ((progress: Progress) => void) | undefined, progress: Progress): void {
  try {
    onProgress?.(progress);
  } catch (error) {
    // The user's error, not the work's.
    queueMicrotask(() => {
      throw error;
    });
  }
}
