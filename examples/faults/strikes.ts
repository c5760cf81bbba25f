import type { InferenceSession } from 'onnxruntime-web';
import { loseDevices, newestDevice } from './devices.js';
import type { Fault, Graph } from './faults.js';
import { refuseNextAllocation } from './memory.js';
import type { RunHooks } from './sessions.js';
import { spoil } from './spoil.js';

/** A graph that fails. */
interface Failing {
  readonly always: boolean;
  readonly struck: () => void;
}

/** The faults that this worker was told of, as they meet the runs of its sessions. */
export class Strikes implements RunHooks {
  readonly #failing = new Map<Graph, Failing>();
  #wrong: (() => void) | undefined;
  #slow: { readonly ms: number; readonly struck: () => void } | undefined;

  /** @param ready settles when the faults that stand are known: no run comes before it */
  constructor(readonly ready: Promise<void>) {}

  /** @param struck called each time the fault has an effect, or just before where nothing can be said after it */
  take(fault: Fault, struck: () => void): void {
    switch (fault.type) {
      case 'lose-device':
        if (loseDevices()) struck();
        break;
      case 'exit':
        struck();
        self.close();
        break;
      case 'crash':
        struck();
        // Out of the channel's handler, as an error of the worker's own.
        setTimeout(() => {
          throw new Error('The engine worker crashed (injected)');
        });
        break;
      case 'hang':
        struck();
        setTimeout(() => {
          for (;;) performance.now();
        });
        break;
      case 'throw-once':
      case 'throw-always':
        this.#failing.set(fault.graph, { always: fault.type === 'throw-always', struck });
        break;
      case 'wrong-numbers':
      case 'wrong-for-ever':
        this.#wrong = struck;
        break;
      case 'refuse-allocation':
        refuseNextAllocation(struck);
        break;
      case 'slow':
        this.#slow = fault.ms > 0 ? { ms: fault.ms, struck } : undefined;
        break;
      case 'heal':
        this.#failing.clear();
        this.#wrong = undefined;
        this.#slow = undefined;
        struck();
    }
  }

  async before(graph: Graph): Promise<void> {
    await this.ready;
    if (this.#slow) {
      this.#slow.struck();
      const end = performance.now() + this.#slow.ms;
      while (performance.now() < end);
    }
    const failing = this.#failing.get(graph);
    if (!failing) return;
    if (!failing.always) this.#failing.delete(graph);
    failing.struck();
    throw new Error(`The ${graph} graph failed (injected)`);
  }

  after(results: InferenceSession.ReturnType): void {
    if (!this.#wrong) return;
    for (const result of Object.values(results)) spoil(result, newestDevice());
    this.#wrong();
  }
}
