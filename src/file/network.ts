import type { FrameTimes, Size } from '../frame/frame.js';
import { sameSize } from '../frame/frame.js';
import type { Choice, Verified, Waiting } from '../live/backends.js';
import type { OwnedFrame } from '../live/frame-kind.js';
import type { StreamSettings } from '../live/protocol.js';
import { sumOf } from '../pipeline/session.js';
import { noCounts, Upscaler, type UpscalerCounts } from '../pipeline/upscaler.js';

/** What a {@link FileNetwork} is opened with. */
export interface FileNetworkOptions<F> {
  readonly choice: Choice<F>;
  /** Of these, what is about time is not looked at. */
  readonly settings: StreamSettings;
  readonly waiting?: Waiting;
  /** Receives each output frame, in the order of the source, and owns it. */
  readonly emit: (frame: F) => void;
}

/**
 * The network on a recording: every frame that goes in comes out, however long it takes. Frames are pushed one after
 * another, each when the one before has been taken; whoever writes the output says when that is soon enough.
 */
export class FileNetwork<F extends OwnedFrame> {
  #open: { readonly size: Size; readonly upscaler: Upscaler<F, F> } | undefined;
  #past = noCounts();

  private constructor(
    readonly verified: Verified<F>,
    readonly options: FileNetworkOptions<F>,
  ) {}

  /**
   * Chooses a backend and loads the model.
   * @throws UpscaleError where there is no backend that computes it rightly
   */
  static async open<F extends OwnedFrame>(options: FileNetworkOptions<F>): Promise<FileNetwork<F>> {
    return new FileNetwork(await options.choice.choose(options.settings, options.waiting), options);
  }

  /** What has been done so far. */
  get counts(): UpscalerCounts {
    return sumOf(this.#past, this.#open?.upscaler.counts);
  }

  /**
   * Encodes a frame, and makes those whose windows are complete with it. Closes the frame, also when it fails. A picture of
   * another size begins a new window, after those before it have come out.
   */
  async push(frame: F, size: Size, times: FrameTimes, fresh = false): Promise<void> {
    let open = true;
    const release = (): void => {
      if (open) frame.close();
      open = false;
    };
    try {
      const upscaler = await this.#upscaler(size);
      await upscaler.push(frame, { times, arrivedMs: 0, release, fresh });
    } finally {
      release();
    }
  }

  /** Hands out every frame that waits: the end of the source. */
  async flush(): Promise<void> {
    await this.#open?.upscaler.flush();
  }

  dispose(): void {
    const upscaler = this.#open?.upscaler;
    this.#open = undefined;
    if (!upscaler) return;
    this.#past = sumOf(this.#past, upscaler.counts);
    upscaler.dispose();
  }

  async #upscaler(size: Size): Promise<Upscaler<F, F>> {
    if (this.#open && !sameSize(this.#open.size, size)) {
      await this.flush();
      this.dispose();
    }
    if (!this.#open) {
      const { engine, model } = this.verified;
      const { lookahead, maxTilePixels } = this.options.settings;
      const upscaler = await Upscaler.open(engine, model, {
        size,
        lookahead,
        ...(maxTilePixels === null ? {} : { maxTilePixels }),
        emit: this.options.emit,
      });
      this.#open = { size, upscaler };
    }
    return this.#open.upscaler;
  }
}
