/** One parser path under attack. */
export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Whether inputs are texts of lines: mutations then move, repeat and exchange lines and words too. */
  readonly lines?: boolean;
  /** Must end by itself, in bounded work; only documented errors may be thrown, and those are caught inside. */
  run(input: Uint8Array): void | Promise<void>;
  dispose?(): void;
}
