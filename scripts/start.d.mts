/** Serves the demo on 127.0.0.1. Takes the next free port when `port` (5173) is in use; 0 is any free one. */
export function startDemo(options?: { readonly port?: number }): Promise<{
  /** Address of the page. */
  readonly url: string;
  close(): Promise<void>;
}>;
