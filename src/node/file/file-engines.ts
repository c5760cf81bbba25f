import type { Engine } from '../../engine/engine.js';
import { Backends, type EngineSource } from '../../live/backends.js';
import type { MemoryFrame } from '../memory-frame.js';
import { modelLoader, nodeBackends } from '../node-backends.js';

/** The engines that a command has started, for all its files. A process cannot end while their threads run. */
export class FileEngines {
  readonly #source: EngineSource<MemoryFrame>;
  #backends: Backends<MemoryFrame> | undefined;
  #started: Promise<Engine<MemoryFrame, MemoryFrame>>[] = [];
  #stale = false;

  /** @param source where engines come from; else those of this process */
  constructor(source: EngineSource<MemoryFrame> = nodeBackends(undefined, () => undefined).source) {
    this.#source = source;
  }

  get backends(): Backends<MemoryFrame> {
    this.#backends ??= new Backends<MemoryFrame>(
      {
        candidates: (settings) => this.#source.candidates(settings),
        locate: (backend, settings) => this.#source.locate(backend, settings),
        start: (...args) => {
          const engine = this.#source.start(...args);
          this.#started.push(engine);
          return engine;
        },
      },
      modelLoader,
      () => undefined,
    );
    return this.#backends;
  }

  /** One of them is not to be used any more: the next file begins with new ones. */
  giveUp(): void {
    this.#stale = true;
  }

  /** Between two files: ends them where one of them was given up. */
  async renew(): Promise<void> {
    if (this.#stale) await this.dispose();
    this.#stale = false;
  }

  /** Ends all of them, those too that are still starting. */
  async dispose(): Promise<void> {
    const started = this.#started;
    this.#started = [];
    this.#backends = undefined;
    for (const starting of await Promise.allSettled(started)) {
      if (starting.status === 'fulfilled') starting.value.dispose();
    }
  }
}
