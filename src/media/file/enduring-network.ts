import type { Backend } from '../../engine/engine.js';
import { FileNetwork } from '../../file/network.js';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { FrameTimes, Size } from '../../frame/frame.js';
import { type Choice, describe } from '../../live/backends.js';
import type { StreamSettings } from '../../live/protocol.js';
import type { FallbackEvent } from '../../live/stats.js';
import type { LoadProgress } from '../../model/loader.js';

/** Starts the backends of this worker. @param lost to be called when one of them is gone */
export type StartBackends = (lost: (backend: Backend, reason: string) => void) => Choice<VideoFrame>;

/** What an {@link EnduringNetwork} tells. */
export interface NetworkEvents {
  /** Receives each output frame, and owns it. */
  emit(frame: VideoFrame): void;
  fallback(event: FallbackEvent): void;
  loading(progress: LoadProgress): void;
}

/** The engine has failed; what waited in it is lost. {@link EnduringNetwork.recover} finds another one. */
export class EngineFailed extends Error {}

/** After which other a backend is tried. */
const AFTER: Partial<Readonly<Record<Backend, Backend>>> = { 'webgpu-native': 'webgpu', webgpu: 'wasm' };
/** Failures without so many frames between them are no accidents any more. */
const ENOUGH_FRAMES = 100;
/** Failures in a row that the last backend may have. */
const MOST_FAILURES = 2;
/** Engines are asked their golden tile this often, because wrong numbers look like a picture. */
const CHECK_EVERY_MS = 10_000;

/** A {@link FileNetwork} that outlives its engine: after a failure, the next backend takes over. */
export class EnduringNetwork {
  #network: FileNetwork<VideoFrame> | undefined;
  #settings: StreamSettings;
  /** Rejects what is under way in the network. */
  #abandon: (reason: UpscaleError) => void = () => undefined;
  #failures = 0;
  #frames = 0;
  #checkedMs = performance.now();

  readonly #choice: Choice<VideoFrame>;

  constructor(
    settings: StreamSettings,
    start: StartBackends,
    readonly events: NetworkEvents,
    readonly signal: AbortSignal,
  ) {
    this.#settings = settings;
    this.#choice = start((backend, reason) => {
      if (this.#network?.verified.engine.backend !== backend) return;
      this.#abandon(new UpscaleError('backend-unavailable', reason));
    });
  }

  /** The backend in use, for a person. */
  get description(): string {
    return this.#network ? describe(this.#network.verified) : '';
  }

  get backend(): string {
    return this.#network?.verified.engine.backend ?? '';
  }

  get model(): string {
    return this.#network?.verified.model.manifest.name ?? '';
  }

  /** Chooses a backend and loads the model. @throws UpscaleError where there is none */
  async open(): Promise<void> {
    const { events, signal } = this;
    this.#network = await FileNetwork.open<VideoFrame>({
      choice: this.#choice,
      settings: this.#settings,
      waiting: {
        signal,
        fallback: (from, to, reason) => events.fallback({ type: 'fallback', from, to, reason }),
        progress: (progress) => events.loading(progress),
      },
      emit: (frame) => {
        this.#frames++;
        if (this.#frames >= ENOUGH_FRAMES) this.#failures = 0;
        events.emit(frame);
      },
    });
  }

  /** Closes the frame. @throws EngineFailed */
  async push(frame: VideoFrame, size: Size, times: FrameTimes): Promise<void> {
    await this.#watch((network) => network.push(frame, size, times));
    await this.#check();
  }

  /** Hands out every frame that waits. @throws EngineFailed */
  async flush(): Promise<void> {
    await this.#watch((network) => network.flush());
  }

  /**
   * Takes the next backend, or the same once more where there is no other. Begins a new window.
   * @throws UpscaleError where it has failed too often
   */
  async recover(failure: EngineFailed): Promise<void> {
    const failed = this.#network?.verified.engine.backend;
    this.dispose();
    this.#failures++;
    this.#frames = 0;
    const next = failed && AFTER[failed];
    const reason = reasonOf(failure.cause);
    if (!next && this.#failures > MOST_FAILURES) {
      if (failure.cause instanceof UpscaleError && failure.cause.code === 'frame-unsupported') throw failure.cause;
      throw new UpscaleError('engine-failed', `The network failed again and again: ${reason}`, {
        cause: failure.cause,
        recoverable: false,
      });
    }
    if (next) this.#settings = { ...this.#settings, backend: next };
    await this.open();
    this.events.fallback({ type: 'fallback', from: failed ?? '', to: this.backend, reason });
  }

  dispose(): void {
    try {
      this.#network?.dispose();
    } catch {
      // A lost device has nothing left to release.
    }
    this.#network = undefined;
  }

  async #check(): Promise<void> {
    const network = this.#network;
    if (!network || performance.now() - this.#checkedMs < CHECK_EVERY_MS) return;
    await this.#watch(({ verified }) => this.#choice.check(verified));
    this.#checkedMs = performance.now();
  }

  async #watch(work: (network: FileNetwork<VideoFrame>) => Promise<void>): Promise<void> {
    const network = this.#network;
    if (!network) throw new Error('The network is not open.');
    try {
      await new Promise<void>((resolve, reject) => {
        // A device that is gone may never answer.
        this.#abandon = reject;
        work(network).then(resolve, reject);
      });
    } catch (cause) {
      this.signal.throwIfAborted();
      throw new EngineFailed(reasonOf(cause), { cause });
    }
  }
}
