import { type BrowserUpscaleOptions, type UpscaledTrack, upscaleTrack } from 'mana-upscale';
import { lastValueFrom } from 'rxjs';

/** The one stream of the page, which is started again when its settings change. */
export class Player {
  #upscaled: UpscaledTrack | undefined;
  #engineWorker: string | undefined;

  get upscaled(): UpscaledTrack | undefined {
    return this.#upscaled;
  }

  /**
   * Ends the stream before, and starts one.
   * @param engineWorker a worker to use in place of the package's own
   */
  async start(
    track: MediaStreamTrack,
    options: BrowserUpscaleOptions,
    engineWorker: string | undefined,
  ): Promise<UpscaledTrack> {
    const before = this.#upscaled;
    this.#upscaled = undefined;
    before?.dispose();
    // Workers are shared, and end with the last stream of a page: only then others can be started.
    if (before && engineWorker !== this.#engineWorker) await lastValueFrom(before.stats$, { defaultValue: null });
    this.#engineWorker = engineWorker;
    this.#upscaled = await upscaleTrack(track, engineWorker ? { ...options, assets: { engineWorker } } : options);
    return this.#upscaled;
  }

  /** Gives the stream another source, if it is live: the output goes on. */
  replaceSource(track: MediaStreamTrack): boolean {
    if (this.#upscaled?.track.readyState !== 'live') return false;
    this.#upscaled.replaceSource(track);
    return true;
  }
}
