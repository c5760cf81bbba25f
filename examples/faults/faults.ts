/**
 * Faults on command: what a page may ask of the engine worker beside this file, and what that worker answers.
 * `inject.ts` is the page's end.
 */

/** The two graphs of a model. */
export type Graph = 'encode' | 'fuse';

/** A fault of the engine worker. */
export type Fault =
  /** Its GPU devices are destroyed. */
  | { readonly type: 'lose-device' }
  /** It ends itself and says nothing. */
  | { readonly type: 'exit' }
  /** An error that nobody catches. */
  | { readonly type: 'crash' }
  /** A loop without an end: nothing is answered any more. */
  | { readonly type: 'hang' }
  /** The next run of a graph rejects. */
  | { readonly type: 'throw-once'; readonly graph: Graph }
  /** Every run of a graph rejects. Standing. */
  | { readonly type: 'throw-always'; readonly graph: Graph }
  /** Every run answers 0.1 too much in all it computes, until the worker ends; the next one computes rightly. */
  | { readonly type: 'wrong-numbers' }
  /** The same in every worker to come. Standing. */
  | { readonly type: 'wrong-for-ever' }
  /** The next large array or GPU buffer cannot be had. */
  | { readonly type: 'refuse-allocation' }
  /** Every run takes so many milliseconds more, blocking; 0 ends it. Standing. */
  | { readonly type: 'slow'; readonly ms: number }
  /** The end of all standing faults. */
  | { readonly type: 'heal' };

/** Faults that pass: the network can be back after each of them. A lost device needs a GPU, so it is not among them. */
export const PASSING_FAULTS: readonly Fault[] = [
  { type: 'exit' },
  { type: 'crash' },
  { type: 'hang' },
  { type: 'throw-once', graph: 'encode' },
  { type: 'throw-once', graph: 'fuse' },
  { type: 'wrong-numbers' },
  { type: 'refuse-allocation' },
];

/** Whether a fault also meets the workers that are started after it. */
export function isStanding({ type }: Fault): boolean {
  return type === 'throw-always' || type === 'wrong-for-ever' || type === 'slow';
}

/** A fault on its way to workers. */
export interface Order {
  /** Told back when it is taken and when it strikes. */
  readonly id: number;
  readonly fault: Fault;
}

/** What goes over the channel, to all who listen. */
export type FaultMessage =
  /** A worker has begun, and asks for the faults that stand. */
  | { readonly type: 'started'; readonly worker: string }
  /** The answer to that worker. */
  | { readonly type: 'standing'; readonly worker: string; readonly orders: readonly Order[] }
  | { readonly type: 'inject'; readonly order: Order }
  /** A worker knows of the fault. */
  | { readonly type: 'taken'; readonly worker: string; readonly id: number }
  /** The fault had its effect for the first time in this worker. */
  | { readonly type: 'struck'; readonly worker: string; readonly id: number };

/** Opens the channel between pages and faulty workers of one origin. */
export function faultChannel(): BroadcastChannel {
  return new BroadcastChannel('mana-faults');
}
