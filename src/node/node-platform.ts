import type { IoPlatform } from '../live/io-host.js';
import type { FromIo as AnyFromIo, ToIo as AnyToIo } from '../live/protocol.js';
import { MEMORY_FRAMES, type MemoryFrame } from './memory-frame.js';
import { startThread } from './threads.js';

/** The live core in Node: frames come and go in messages. */
export interface NodePlatform {
  readonly frame: MemoryFrame;
  readonly assets: { readonly engineWorker: string };
  readonly source: null;
  readonly sink: null;
  readonly ask: never;
  readonly tell: never;
}

/** Main thread to `io` thread. */
export type ToIo = AnyToIo<NodePlatform>;
/** `io` thread to main thread. */
export type FromIo = AnyFromIo<NodePlatform>;

/** What the `io` thread of {@link NodePlatform} is made of. */
export const NODE_IO: IoPlatform<NodePlatform> = {
  kind: MEMORY_FRAMES,
  startEngine: ({ engineWorker }) => startThread(engineWorker, 'mana-engine'),
  openSource: () => ({ stop: () => undefined }),
  openSink: (_, { send }) => ({
    write: (frame) => {
      send(frame);
      return true;
    },
    close: async () => undefined,
  }),
};
