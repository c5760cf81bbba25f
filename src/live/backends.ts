import type { Backend, Engine, LoadedModel } from '../engine/engine.js';
import { verify } from '../engine/verify.js';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import { halfOf } from '../model/half.js';
import type { LoadProgress, ModelLoader, ModelLocation } from '../model/loader.js';
import type { PackedModel } from '../model/source.js';
import type { StreamSettings } from './protocol.js';

/** An engine and a model that have answered the golden tile rightly together. */
export interface Verified<F> {
  readonly engine: Engine<F, F>;
  readonly model: LoadedModel;
  /** What the model computes in, where an engine has both. */
  readonly precision?: 'f16' | 'f32';
  /** Why this engine, for a person. */
  readonly why?: string;
}

/** An engine in use, for a person: what it is, what it computes in and why it was taken. */
export function describe<F>({ engine, precision, why }: Verified<F>): string {
  return [engine.description, precision, why].filter(Boolean).join(', ');
}

/** A stream that waits for its engine and model. */
export interface Waiting {
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** Told when a backend is passed over. */
  fallback?(from: string, to: string, reason: string): void;
  /** Told how far the model's files are here. */
  progress?(progress: LoadProgress): void;
}

/** What the engine worker needs of {@link Backends}. */
export interface Choice<F> {
  /** @throws UpscaleError of the last backend that was tried; the signal's reason when the stream no longer waits */
  choose(settings: StreamSettings, waiting?: Waiting): Promise<Verified<F>>;
  /** Asks an engine in use its model's golden tile once more. @throws UpscaleError `backend-wrong` */
  check(verified: Verified<F>): Promise<void>;
}

/** What a platform's engines are. */
export interface EngineSource<F> {
  /** Backends for these settings, best first. */
  candidates(settings: StreamSettings): readonly Backend[];
  /** @param lost to be called when the backend's device is gone */
  start(backend: Backend, settings: StreamSettings, lost: (reason: string) => void): Promise<Engine<F, F>>;
  locate(backend: Backend, settings: StreamSettings): ModelLocation | PackedModel;
}

/**
 * The engines of a worker: each backend is started once, and each model checked on it once, however many streams ask.
 */
export class Backends<F> implements Choice<F> {
  readonly #engines = new Map<Backend, Promise<Engine<F, F>>>();
  /** What each engine answered to each model's golden tile. */
  readonly #answers = new WeakMap<Engine<F, F>, WeakMap<LoadedModel, Promise<number>>>();

  /** @param lost called when a backend's device is gone; its streams fail from then on */
  constructor(
    readonly source: EngineSource<F>,
    readonly loader: ModelLoader,
    readonly lost: (backend: Backend, reason: string) => void,
  ) {}

  /**
   * The first backend of the user's choice that starts and computes the golden tile rightly.
   * @param candidates other backends than the source's, best first
   */
  async choose(
    settings: StreamSettings,
    waiting: Waiting = {},
    candidates: readonly Backend[] = this.source.candidates(settings),
  ): Promise<Verified<F>> {
    for (let i = 0; i < candidates.length; ) {
      const backend = candidates[i] as Backend;
      try {
        return await this.#verify(backend, settings, waiting);
      } catch (thrown) {
        // A model that cannot be had is the same on every backend.
        if (waiting.signal?.aborted || (thrown instanceof UpscaleError && thrown.code.startsWith('model-')))
          throw thrown;
        const reason = reasonOf(thrown);
        i++;
        // What several do not start for, as where there is no GPU, is told once.
        while (i + 1 < candidates.length && (await this.#refusal(candidates[i] as Backend, settings)) === reason) i++;
        const next = candidates[i];
        if (!next) throw thrown;
        waiting.fallback?.(backend, next, reason);
      }
    }
    throw new UpscaleError('backend-unavailable', 'No backend is left to try.');
  }

  async check({ engine, model }: Verified<F>): Promise<void> {
    await verify(engine, model);
  }

  async #verify(backend: Backend, settings: StreamSettings, { signal, progress }: Waiting): Promise<Verified<F>> {
    const refused = new AbortController();
    const leave = (): void => refused.abort(signal?.reason);
    signal?.addEventListener('abort', leave);
    if (signal?.aborted) leave();
    try {
      const [engine, model] = await Promise.all([
        this.#start(backend, settings),
        this.loader.load(this.source.locate(backend, settings), { signal: refused.signal, onProgress: progress }),
      ]);
      const { name, scale } = model.manifest;
      if (scale !== settings.scale) {
        const how = `The model ${name} enlarges ${scale} times, not ${settings.scale}.`;
        throw new UpscaleError('model-invalid', `${how} Give scale: ${scale}, or another model.`, {
          recoverable: false,
        });
      }
      const right = await this.#right(engine, model);
      if (!engine.backend.startsWith('webgpu')) return { engine, model: right };
      return { engine, model: right, precision: right === model ? 'f32' : 'f16' };
    } finally {
      signal?.removeEventListener('abort', leave);
      // A backend that did not start needs no model.
      refused.abort();
    }
  }

  /** The model in the fastest form that the engine computes rightly. */
  async #right(engine: Engine<F, F>, model: LoadedModel): Promise<LoadedModel> {
    const half = engine.half ? halfOf(model) : undefined;
    try {
      if (half) {
        await this.#answer(engine, half);
        return half;
      }
    } catch (thrown) {
      if (!(thrown instanceof UpscaleError && thrown.code === 'backend-wrong')) throw thrown;
    }
    await this.#answer(engine, model);
    return model;
  }

  #answer(engine: Engine<F, F>, model: LoadedModel): Promise<number> {
    const answers = this.#answers.get(engine) ?? new WeakMap<LoadedModel, Promise<number>>();
    this.#answers.set(engine, answers);
    const answer = answers.get(model) ?? verify(engine, model);
    answers.set(model, answer);
    answer.catch((thrown: unknown) => {
      // A wrong answer is one; anything else may have been an accident.
      if (!(thrown instanceof UpscaleError && thrown.code === 'backend-wrong')) answers.delete(model);
    });
    return answer;
  }

  /** Why a backend does not start; nothing where it does. */
  #refusal(backend: Backend, settings: StreamSettings): Promise<string | undefined> {
    return this.#start(backend, settings).then(() => undefined, reasonOf);
  }

  #start(backend: Backend, settings: StreamSettings): Promise<Engine<F, F>> {
    let engine = this.#engines.get(backend);
    if (!engine) {
      engine = this.source.start(backend, settings, (reason) => {
        this.#engines.delete(backend);
        this.lost(backend, reason);
      });
      this.#engines.set(backend, engine);
    }
    return engine;
  }
}
