import type { Engine } from '../../engine/engine.js';
import { Backends } from '../../live/backends.js';
import type { MemoryFrame } from '../memory-frame.js';
import { modelLoader, nodeBackends } from '../node-backends.js';

/** The engines that a run has started. A process cannot end while their threads run. */
export class FileEngines {
  readonly backends: Backends<MemoryFrame>;
  readonly #started: Promise<Engine<MemoryFrame, MemoryFrame>>[] = [];

  constructor() {
    const { source } = nodeBackends(undefined, () => undefined);
    this.backends = new Backends<MemoryFrame>(
      {
        candidates: (settings) => source.candidates(settings),
        locate: (backend, settings) => source.locate(backend, settings),
        start: (...args) => {
          const engine = source.start(...args);
          this.#started.push(engine);
          return engine;
        },
      },
      modelLoader,
      () => undefined,
    );
  }

  /** Ends all of them, those too that are still starting. */
  async dispose(): Promise<void> {
    for (const starting of await Promise.allSettled(this.#started)) {
      if (starting.status === 'fulfilled') starting.value.dispose();
    }
  }
}
