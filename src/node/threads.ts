import { type MessagePort, parentPort, type TransferListItem, Worker } from 'node:worker_threads';
import type { MessageScope, WorkerLike } from '../live/scope.js';
import { MemoryFrame } from './memory-frame.js';

/**
 * A thread, dressed up as a browser's worker: frames in its messages move, and arrive as frames.
 * @param workerData what it finds under that name when it starts
 */
export function startThread(url: URL | string, name: string, workerData?: unknown): WorkerLike {
  const thread = new Worker(new URL(url), { name, workerData });
  return {
    postMessage: (message, transfer) => thread.postMessage(message, buffersOf(transfer)),
    addEventListener: (type: 'message' | 'error', listener: (event: never) => void) => {
      if (type === 'message') {
        thread.on('message', (data) => listener({ data: revived(data) } as never));
        return;
      }
      const fail = (message: string): void => listener({ message, preventDefault: () => undefined } as never);
      thread.on('error', (error) => fail(error.message));
      thread.on('exit', (code) => {
        // 1 is also what a thread ends with that was told to; by then nobody listens to it any more.
        if (code !== 0) fail(`the thread ended with code ${code}`);
      });
    },
    terminate: () => {
      thread.removeAllListeners('exit');
      thread.terminate().catch(() => undefined);
    },
  };
}

/** This thread's end of it. */
export function threadScope(): MessageScope {
  const port = parentPort as MessagePort;
  return {
    postMessage: (message, transfer) => port.postMessage(message, buffersOf(transfer)),
    addEventListener: (_type, listener) => {
      port.on('message', (data) => listener({ data: revived(data) } as MessageEvent));
    },
  };
}

/** Memory is what moves. */
function buffersOf(transfer: readonly unknown[] = []): TransferListItem[] {
  return transfer.map((item) => (item instanceof MemoryFrame ? item.planar.data.buffer : item) as TransferListItem);
}

/** Objects lose their class on the way. */
function revived(message: { frame?: MemoryFrame }): unknown {
  if (message.frame) message.frame = new MemoryFrame(message.frame.planar);
  return message;
}
