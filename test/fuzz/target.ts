/** One parser path under attack. */
export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Must end by itself, in bounded work; only documented errors may be thrown, and those are caught inside. */
  run(input: Uint8Array): void | Promise<void>;
  dispose?(): void;
}
