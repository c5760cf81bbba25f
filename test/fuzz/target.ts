export interface FuzzTarget {
  name: string;
  seeds: Uint8Array[];
  run(input: Uint8Array): void | Promise<void>;
  dispose?(): void;
}
