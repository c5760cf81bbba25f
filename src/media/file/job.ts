import type { Size } from '../../frame/frame.js';
import { EnduringNetwork, EngineFailed, type StartBackends } from './enduring-network.js';
import { FileWriter } from './file-writer.js';
import { FrameTimesById } from './frame-times.js';
import type { Media, Notice, SourceFrame } from './media.js';
import type { FileEvent, FileProgress } from './options.js';
import type { OutputPlace } from './output-place.js';
import { PaceMeter } from './pace-meter.js';
import type { FileSettings, FileSummary } from './protocol.js';

/** Frames that have come out of the network and wait to be encoded; the network waits when there are more. */
const MOST_WAITING = 3;
/** Frames before the first that has not come out, from which a new engine begins: as far as the network looks back, and some. */
const WARM_UP_FRAMES = 16;
const TOLD_EVERY_MS = 200;

/** What a {@link FileJob} tells and asks. */
export interface JobHooks {
  readonly start: StartBackends;
  readonly notice: Notice;
  event(event: FileEvent): void;
  progress(progress: FileProgress): void;
  /** Shown each upscaled frame as it is encoded. */
  readonly made?: (frame: VideoFrame) => void;
}

/** Upscales one file: decoding, the network, encoding and writing at the same time, with few frames between them. */
export class FileJob {
  readonly #network: EnduringNetwork;
  readonly #times = new FrameTimesById(4 * WARM_UP_FRAMES);
  #writer: FileWriter | undefined;
  /** Time of the last frame that has come out. */
  #lastS = Number.NEGATIVE_INFINITY;
  #pace = new PaceMeter(0);
  #toldMs = 0;

  constructor(
    readonly media: Media,
    readonly place: OutputPlace,
    readonly settings: FileSettings,
    readonly hooks: JobHooks,
    readonly signal: AbortSignal,
  ) {
    this.#network = new EnduringNetwork(
      settings.stream,
      hooks.start,
      {
        emit: (frame) => this.#take(frame),
        fallback: (event) => hooks.event(event),
        loading: (progress) => hooks.event({ type: 'loading', ...progress }),
      },
      signal,
    );
  }

  /** @throws UpscaleError; the signal's reason */
  async run(): Promise<Omit<FileSummary, 'notices' | 'bytes'>> {
    const { media, place, settings, hooks, signal } = this;
    const { size } = media.video;
    const { scale } = settings.stream;
    const output: Size = { width: size.width * scale, height: size.height * scale };
    try {
      const made = hooks.made;
      const writer = await FileWriter.open({ media, place, settings, signal, notice: hooks.notice, made }, output);
      this.#writer = writer;
      await this.#network.open();
      signal.throwIfAborted();
      this.#pace = new PaceMeter(performance.now());
      await this.#upscale(writer);
      const finished = await writer.finish();
      hooks.progress(this.#pace.at(performance.now(), writer.frames, writer.frames, 1));
      return { ...finished, backend: this.#network.description, model: this.#network.model };
    } catch (thrown) {
      await this.#writer?.cancel();
      throw thrown;
    } finally {
      this.#network.dispose();
    }
  }

  /** Pushes every frame through the network, beginning again some frames back where an engine fails. */
  async #upscale(writer: FileWriter): Promise<void> {
    let fromS: number | undefined;
    for (;;) {
      try {
        for await (const source of this.media.frames(fromS)) await this.#push(source, writer);
        await this.#network.flush();
        return;
      } catch (thrown) {
        if (!(thrown instanceof EngineFailed)) throw thrown;
        await this.#network.recover(thrown);
        fromS = Number.isFinite(this.#lastS) ? this.#times.before(this.#lastS, WARM_UP_FRAMES) : undefined;
        this.#times.restart();
      }
    }
  }

  async #push({ frame, timestampS, durationS }: SourceFrame, writer: FileWriter): Promise<void> {
    try {
      await writer.drain(MOST_WAITING);
    } catch (thrown) {
      frame.close();
      throw thrown;
    }
    const { visibleRect, codedWidth, codedHeight } = frame;
    const size = { width: visibleRect?.width ?? codedWidth, height: visibleRect?.height ?? codedHeight };
    const timestampUs = this.#times.add({ timestampS, durationS });
    await this.#network.push(frame, size, { timestampUs });
    this.#tell(timestampS, writer);
  }

  /** A frame has come out of the network. */
  #take(frame: VideoFrame): void {
    const times = this.#times.take(frame.timestamp);
    if (!this.#writer || !times || times.timestampS <= this.#lastS || this.signal.aborted) {
      // It has come out before, of an engine that has failed since.
      frame.close();
      return;
    }
    this.#lastS = times.timestampS;
    this.#writer.take(frame, times);
  }

  #tell(timestampS: number, { frames }: FileWriter): void {
    const now = performance.now();
    if (now - this.#toldMs < TOLD_EVERY_MS) return;
    this.#toldMs = now;
    const { startS, endS, frames: total } = this.media.video;
    const share = endS > startS ? (timestampS - startS) / (endS - startS) : 0;
    this.hooks.progress(this.#pace.at(now, frames, total, Math.min(share, 0.999)));
  }
}
