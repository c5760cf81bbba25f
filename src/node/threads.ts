import { type MessagePort, parentPort, type TransferListItem, Worker } from 'node:worker_threads';
import type { MessageScope, WorkerLike } from '../live/scope.js';
import { MemoryFrame } from './memory-frame.js';

/** Asks a thread to end itself. */
const LEAVE = 'mana-leave';
/** A thread that does not end itself in this time hangs, and is ended. */
const LEAVE_MS = 2_000;

/** This thread's own threads, and when each has ended. */
const children = new Map<Worker, Promise<void>>();

/**
 * A thread, dressed up as a browser's worker: frames in its messages move, and arrive as frames. It ends between two things
 * it does, not within one: native code that is interrupted takes the process with it.
 * @param workerData what it finds under that name when it starts
 */
export function startThread(url: URL | string, name: string, workerData?: unknown): WorkerLike {
  const thread = new Worker(new URL(url), { name, workerData });
  const ended = new Promise<void>((resolve) => {
    thread.once('exit', () => {
      children.delete(thread);
      resolve();
    });
  });
  children.set(thread, ended);
  let left = false;
  return {
    postMessage: (message, transfer) => thread.postMessage(message, buffersOf(transfer)),
    addEventListener: (type: 'message' | 'error', listener: (event: never) => void) => {
      if (type === 'message') {
        thread.on('message', (data) => {
          if (!left) listener({ data: revived(data) } as never);
        });
        return;
      }
      const fail = (message: string): void => {
        if (!left) listener({ message, preventDefault: () => undefined } as never);
      };
      thread.on('error', (error) => fail(error.message));
      thread.on('exit', (code) => fail(`the thread ended with code ${code}`));
    },
    terminate: () => {
      left = true;
      end(thread);
    },
  };
}

/** This thread's end of it. */
export function threadScope(): MessageScope {
  const port = parentPort as MessagePort;
  return {
    postMessage: (message, transfer) => port.postMessage(message, buffersOf(transfer)),
    addEventListener: (_type, listener) => {
      port.on('message', (data) => {
        if (data === LEAVE) void leave();
        else listener({ data: revived(data) } as MessageEvent);
      });
    },
  };
}

/** Settles when every thread that this one has started has ended. A process that exits before interrupts them. */
export async function threadsEnded(): Promise<void> {
  await Promise.all(children.values());
}

/** Its own threads first: they would be interrupted. */
async function leave(): Promise<void> {
  for (const thread of children.keys()) end(thread);
  await threadsEnded();
  process.exit(0);
}

function end(thread: Worker): void {
  thread.postMessage(LEAVE);
  const timer = setTimeout(() => void thread.terminate(), LEAVE_MS);
  thread.once('exit', () => clearTimeout(timer));
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
