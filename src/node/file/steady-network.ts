import type { Backend } from '../../engine/engine.js';
import { FileNetwork } from '../../file/network.js';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { PlanarFrame } from '../../frame/frame.js';
import type { Backends } from '../../live/backends.js';
import type { StreamSettings } from '../../live/protocol.js';
import { MemoryFrame } from '../memory-frame.js';

/** A picture of the source, and its time in the source's own units. */
export interface Picture {
  readonly planar: PlanarFrame;
  readonly pts: bigint;
  readonly duration: bigint;
}

/** A picture of the output: 4-byte pixels, and what it was made of. */
export interface UpscaledPicture {
  readonly planar: PlanarFrame;
  readonly source: Picture;
}

/** What a {@link SteadyNetwork} is made with. */
export interface SteadyNetworkOptions {
  readonly backends: Backends<MemoryFrame>;
  readonly settings: StreamSettings;
  /** Pictures before the first one wanted that the network is shown when it begins in the middle. */
  readonly warmUp: number;
  /** Told of each backend that is given up, with the one that takes its place. */
  readonly fallback: (from: string, to: string, reason: string) => void;
  /** Told when an engine is not to be used any more. */
  readonly giveUp?: () => void;
  readonly signal?: AbortSignal;
}

/**
 * The network on a file, whatever becomes of the engine under it. Where one fails the next backend begins with the last
 * pictures, and goes on where the other one was: each picture that goes in comes out once, in order.
 */
export class SteadyNetwork {
  #network: FileNetwork<MemoryFrame> | undefined;
  /** The last pictures, for whoever has to begin with them. */
  #history: Picture[] = [];
  /** Pictures the network has been given and has not answered. */
  #inside: { readonly picture: Picture; readonly wanted: boolean }[] = [];
  /** Outputs since {@link next}'s start that nobody has taken. */
  #out: UpscaledPicture[] = [];
  /** Of the pictures in the history, how many from its end on have not come out yet. */
  #owed = 0;
  /** How many more outputs are wanted of this beginning. */
  #left = Number.POSITIVE_INFINITY;
  readonly #refused = new Set<Backend>();

  constructor(readonly options: SteadyNetworkOptions) {}

  /** The backend in use, for a person. */
  get description(): string {
    return this.#network?.verified.engine.description ?? 'none';
  }

  /** The model in use. */
  get model(): string {
    return this.#network?.verified.model.manifest.name ?? 'none';
  }

  /** Chooses a backend if none is in use, and forgets all pictures. @throws UpscaleError where none is left */
  async start(): Promise<void> {
    this.#history = [];
    this.#inside = [];
    this.#out = [];
    this.#owed = 0;
    if (!this.#network) await this.#open();
  }

  /** @param lost why the one before was given up, if there was one */
  async #open(lost?: string): Promise<FileNetwork<MemoryFrame>> {
    const { backends, settings, fallback, signal } = this.options;
    const candidates = backends.source.candidates(settings).filter((backend) => !this.#refused.has(backend));
    if (lost !== undefined && candidates.length === 0) {
      throw new UpscaleError('backend-unavailable', `No backend is left to try. The last one: ${lost}`);
    }
    const choice = {
      choose: (asked: StreamSettings) =>
        backends.choose(asked, { fallback, ...(signal ? { signal } : {}) }, candidates),
      check: backends.check.bind(backends),
    };
    const emit = (frame: MemoryFrame): void => this.#emit(frame);
    const network = await FileNetwork.open<MemoryFrame>({ choice, settings, emit });
    this.#network = network;
    return network;
  }

  /** Has the network see a picture before the first one that is wanted. */
  remember(picture: Picture): void {
    this.#history.push(picture);
    this.#forget();
  }

  /**
   * Begins a run of outputs anew: with the pictures before the first that is wanted, and those that are owed already.
   * @param count outputs that are wanted until the next beginning
   */
  async begin(count: number): Promise<void> {
    this.#left = count;
    await this.#steadily(() => this.#replay());
  }

  /** Gives a picture to the network, and answers with those that have come out. */
  async push(picture: Picture): Promise<UpscaledPicture[]> {
    this.#history.push(picture);
    this.#owed++;
    await this.#steadily(() => this.#feed(picture, true));
    return this.#taken();
  }

  /** Whether the outputs that were wanted have all come out. */
  get isComplete(): boolean {
    return this.#left === 0;
  }

  /** Pictures that have gone in and have not come out. */
  get owed(): number {
    return this.#owed;
  }

  /** What is owed, up to what is wanted: the end of the source. */
  async flush(): Promise<UpscaledPicture[]> {
    const flush = async (): Promise<void> => this.#network?.flush();
    await this.#steadily(flush, flush);
    return this.#taken();
  }

  /**
   * Asks the engine the golden tile once more.
   * @throws UpscaleError `backend-wrong`, also where it does not answer at all: what it has made is not to be trusted
   */
  async check(): Promise<void> {
    const verified = this.#network?.verified;
    try {
      if (verified) await this.options.backends.check(verified);
    } catch (thrown) {
      if (thrown instanceof UpscaleError && thrown.code === 'backend-wrong') throw thrown;
      throw new UpscaleError('backend-wrong', reasonOf(thrown), { cause: thrown });
    }
  }

  /** Gives the present backend up for the next one. @throws UpscaleError where none is left */
  async refuse(reason: string): Promise<void> {
    const failed = this.#network;
    if (!failed) return;
    const { backend } = failed.verified.engine;
    this.#refused.add(backend);
    this.#network = undefined;
    failed.dispose();
    this.options.giveUp?.();
    this.options.fallback(backend, (await this.#open(reason)).verified.engine.backend, reason);
  }

  /** Releases the network. Engines are those of the backends. */
  dispose(): void {
    this.#network?.dispose();
    this.#network = undefined;
  }

  #taken(): UpscaledPicture[] {
    const out = this.#out;
    this.#out = [];
    this.#forget();
    return out;
  }

  #forget(): void {
    const keep = this.options.warmUp + this.#owed;
    if (this.#history.length > keep) this.#history = this.#history.slice(this.#history.length - keep);
  }

  /**
   * Does something with the network. Where that fails, the next one is given the last pictures.
   * @param again what is left to do then
   */
  async #steadily(work: () => Promise<void>, again: () => Promise<void> = async () => undefined): Promise<void> {
    for (let next = work; ; ) {
      try {
        return await next();
      } catch (thrown) {
        // What is wrong with a model or a picture is so on every backend.
        const own = thrown instanceof UpscaleError && /^(model|frame)-/.test(thrown.code);
        if (own || this.options.signal?.aborted) throw thrown;
        await this.refuse(reasonOf(thrown));
        next = async () => {
          await this.#replay();
          await again();
        };
      }
    }
  }

  async #replay(): Promise<void> {
    if (!this.#network) await this.#open();
    this.#network?.dispose();
    this.#inside = [];
    const first = this.#history.length - this.#owed;
    for (const [i, picture] of [...this.#history].entries()) await this.#feed(picture, i >= first);
  }

  async #feed(picture: Picture, wanted: boolean): Promise<void> {
    const { planar } = picture;
    this.#inside.push({ picture, wanted });
    const times = {
      timestampUs: planar.timestampUs,
      ...(planar.durationUs === undefined ? {} : { durationUs: planar.durationUs }),
    };
    await this.#network?.push(new MemoryFrame(planar), planar, times);
  }

  #emit({ planar }: MemoryFrame): void {
    const answered = this.#inside.shift();
    if (!answered?.wanted || this.#left === 0) return;
    this.#out.push({ planar, source: answered.picture });
    this.#owed--;
    this.#left--;
  }
}
