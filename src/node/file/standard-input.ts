import type { Readable } from 'node:stream';
import type { IOContext } from 'node-av/lib';
import type { NodeAv } from '../../server/codecs/node-av.js';

/** Bytes FFmpeg asks for at once. */
const CHUNK = 65536;

/**
 * Standard input for FFmpeg, read by Node: FFmpeg's own reader would wait in a thread of the process, which could then
 * not end before whoever writes does.
 */
export class StandardInput {
  readonly io: IOContext;
  #rest: Buffer = Buffer.alloc(0);
  #over = false;
  #wake: (() => void) | undefined;

  constructor(
    av: NodeAv,
    readonly stream: Readable,
  ) {
    this.io = new av.lib.IOContext();
    this.io.allocContextWithCallbacks(CHUNK, 0, (size) => this.#read(size), null, null);
    for (const event of ['readable', 'end', 'error', 'close']) stream.on(event, this.#changed);
  }

  /** Nothing more is read: what FFmpeg asks for is answered by the end. */
  close(): void {
    this.#over = true;
    this.#changed();
    for (const event of ['readable', 'end', 'error', 'close']) this.stream.off(event, this.#changed);
    this.stream.destroy();
  }

  async #read(size: number): Promise<Buffer | null> {
    while (this.#rest.length === 0) {
      if (this.#over) return null;
      const chunk = this.stream.read() as Buffer | null;
      if (chunk) this.#rest = chunk;
      else if (this.stream.readableEnded || this.stream.destroyed) return null;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    const taken = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  readonly #changed = (): void => {
    this.#wake?.();
    this.#wake = undefined;
  };
}
