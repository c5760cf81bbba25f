import { type Fault, type FaultMessage, faultChannel, isStanding, type Order } from './faults.js';

/** What became of a fault. A fault that no worker takes stays pending: the caller decides how long to wait. */
export interface Injection {
  /** Settles when a worker knows of the fault. */
  readonly taken: Promise<void>;
  /** Settles when it has had its effect for the first time. */
  readonly struck: Promise<void>;
}

/**
 * The page's end opens with this module, so import it before the first stream: from then on each engine worker that
 * starts is told of the faults that stand.
 */
const channel = faultChannel();
const standing = new Map<string, Order>();
const waiting = new Map<number, { taken(): void; struck(): void }>();
let nextId = 0;
let started = 0;

const post = (message: FaultMessage): void => channel.postMessage(message);

channel.addEventListener('message', ({ data }: MessageEvent<FaultMessage>) => {
  if (data.type === 'started') {
    started++;
    post({ type: 'standing', worker: data.worker, orders: [...standing.values()] });
  } else if (data.type === 'taken') {
    waiting.get(data.id)?.taken();
  } else if (data.type === 'struck') {
    waiting.get(data.id)?.struck();
    waiting.delete(data.id);
  }
});

/** Faulty engine workers that were started since the page began. */
export function workersStarted(): number {
  return started;
}

/** Makes the engine worker of this page fail. */
export function injectFault(fault: Fault): Injection {
  const order: Order = { id: nextId++, fault };
  if (fault.type === 'heal') standing.clear();
  // One order a kind of fault, and graph: the newest counts.
  else if (isStanding(fault)) standing.set('graph' in fault ? `${fault.type} ${fault.graph}` : fault.type, order);
  let taken = (): void => undefined;
  let struck = (): void => undefined;
  const injection: Injection = {
    taken: new Promise((resolve) => {
      taken = resolve;
    }),
    struck: new Promise((resolve) => {
      struck = resolve;
    }),
  };
  waiting.set(order.id, { taken, struck });
  post({ type: 'inject', order });
  return injection;
}
