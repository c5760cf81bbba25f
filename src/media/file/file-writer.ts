import { AttachedFile, MkvOutputFormat, Output, VideoSample, VideoSampleSource } from 'mediabunny';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import { CodedFrames } from './coded-frame.js';
import type { FileTimes } from './frame-times.js';
import { type Media, NO_ATTACHMENTS, type Notice } from './media.js';
import { formatOf, type OutputPlan, planOutput } from './output-format.js';
import type { OutputPlace } from './output-place.js';
import type { FileSettings, FileSummary } from './protocol.js';
import { addSound, PictureClock, type SoundJob } from './sound.js';
import { addSubtitles } from './subtitle-writer.js';

/** What a {@link FileWriter} needs. */
export interface WriterOptions {
  readonly media: Media;
  readonly place: OutputPlace;
  readonly settings: FileSettings;
  readonly signal: AbortSignal;
  readonly notice: Notice;
  /** Shown each frame as it is encoded; it stays the writer's. */
  readonly made: ((frame: VideoFrame) => void) | undefined;
}

/** Encodes frames, copies the sound that belongs to them, and writes both into one file. */
export class FileWriter {
  readonly #coded: CodedFrames;
  readonly #clock = new PictureClock();
  /** Encoding, one frame after another. */
  #writing: Promise<void> = Promise.resolve();
  #sound: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** Told when fewer frames wait. */
  #freed: (() => void)[] = [];
  /** What encoding, sound or writing failed with. */
  #broken: unknown;
  #frames = 0;
  #endS: number;

  private constructor(
    readonly options: WriterOptions,
    readonly plan: OutputPlan,
    readonly output: Output,
    readonly encoder: VideoSampleSource,
    /** Seconds that all times are moved by. */
    readonly shiftS: number,
  ) {
    const { colour, pixelAspect, startS } = options.media.video;
    this.#coded = new CodedFrames(colour, pixelAspect);
    this.#endS = startS;
  }

  /**
   * Begins a file.
   * @param size of its pictures
   * @throws UpscaleError `output-unsupported`
   */
  static async open(options: WriterOptions, size: Size): Promise<FileWriter> {
    const { media, settings, place, notice } = options;
    const { rotation, flip, startS } = media.video;
    const plan = await planOutput(settings, media.container, size);
    const format = formatOf(plan.container, place.appendOnly);
    const output = new Output({ format, target: place.target });
    const turned = rotation !== 0 || flip;
    const turns = format.supportsVideoTransformationMetadata;
    if (turned && !turns)
      notice(`A .${plan.container} file cannot say that its picture is turned: it is shown unturned.`);
    const { codec, quality } = plan;
    const encoder = new VideoSampleSource({ codec, quality, latencyMode: 'quality' });
    output.addVideoTrack(encoder, turned && turns ? { rotation, flip } : {});
    const jobs: SoundJob[] = [];
    for (const track of media.sound) {
      const job = await addSound(track, output, format, notice);
      if (job) jobs.push(job);
    }
    output.setMetadataTags(media.tags);
    const attached = Object.values(media.tags.raw ?? {}).filter((value) => value instanceof AttachedFile);
    // Pictures are among the tags that other files have too.
    const others = attached.filter(({ mimeType }) => !mimeType?.startsWith('image/'));
    if (others.length > 0 && !(format instanceof MkvOutputFormat)) notice(NO_ATTACHMENTS);
    const shiftS = startS < 0 && format.negativeTimestampSupport !== 'full' ? -startS : 0;
    if (shiftS > 0)
      notice(`The file begins ${Math.round(shiftS * 1000)} ms before its zero; all of it is moved by that.`);
    const writeSubtitles = await addSubtitles(media, output, format, shiftS, notice);
    await output.start();
    await writeSubtitles();
    const writer = new FileWriter(options, plan, output, encoder, shiftS);
    writer.#sound = Promise.all(jobs.map((job) => job.run(writer.#clock, shiftS, options.signal))).catch((thrown) =>
      writer.#fail(thrown),
    );
    return writer;
  }

  /** Frames that are encoded. */
  get frames(): number {
    return this.#frames;
  }

  /** Takes a frame, which is encoded after those before it. */
  take(frame: VideoFrame, times: FileTimes): void {
    this.#waiting++;
    this.#writing = this.#writing
      .then(() => this.#encode(frame, times))
      .catch((thrown: unknown) => this.#fail(thrown))
      .finally(() => {
        this.#waiting--;
        this.#free();
      });
  }

  /** Settles when no more than so many frames wait. @throws what encoding or writing failed with */
  async drain(most: number): Promise<void> {
    while (this.#waiting > most && !this.#broken) {
      await new Promise<void>((resolve) => this.#freed.push(resolve));
    }
    this.#throwIfBroken();
  }

  /** Writes what waits, and the end of the file. */
  async finish(): Promise<Pick<FileSummary, 'mimeType' | 'container' | 'codec' | 'size' | 'frames' | 'durationS'>> {
    await this.drain(0);
    const size = this.#coded.size;
    if (!size) throw new UpscaleError('file-invalid', 'The file has no frames.', { recoverable: false });
    this.encoder.close();
    this.#clock.end();
    await this.#sound;
    this.#throwIfBroken();
    try {
      this.options.place.completing();
      await this.output.finalize();
    } catch (thrown) {
      this.#fail(thrown);
      this.#throwIfBroken();
    }
    const { container, codec } = this.plan;
    const durationS = this.#endS - this.options.media.video.startS;
    return { mimeType: await this.output.getMimeType(), container, codec, size, frames: this.#frames, durationS };
  }

  /** Ends the encoder; what has been written is no file. */
  async cancel(): Promise<void> {
    this.#fail(new DOMException('The file was not finished.', 'AbortError'));
    this.#clock.end();
    await this.output.cancel().catch(() => undefined);
    await Promise.all([this.#writing, this.#sound]);
  }

  async #encode(frame: VideoFrame, times: FileTimes): Promise<void> {
    if (this.#broken) {
      frame.close();
      return;
    }
    const coded = await this.#coded.convert(frame);
    this.options.made?.(coded);
    const { timestampS, durationS } = times;
    const sample = new VideoSample(coded, { timestamp: timestampS + this.shiftS, duration: durationS });
    try {
      await this.encoder.add(sample);
    } finally {
      sample.close();
    }
    this.#frames++;
    this.#endS = Math.max(this.#endS, timestampS + durationS);
    this.#clock.advance(timestampS);
  }

  #fail(thrown: unknown): void {
    this.#broken ??= thrown;
    this.#free();
  }

  #free(): void {
    const freed = this.#freed;
    this.#freed = [];
    for (const go of freed) go();
  }

  #throwIfBroken(): void {
    const { signal, place } = this.options;
    signal.throwIfAborted();
    try {
      place.check();
    } catch (thrown) {
      // This is why whatever else failed did so.
      this.#broken = thrown;
    }
    if (!this.#broken) return;
    if (this.#broken instanceof UpscaleError) throw this.#broken;
    throw new UpscaleError('output-failed', `The output could not be written: ${reasonOf(this.#broken)}`, {
      cause: this.#broken,
      recoverable: false,
    });
  }
}
