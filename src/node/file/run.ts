import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import { copyChapters, hasChapters } from './chapters.js';
import { type Damage, noDamage } from './damage.js';
import { type EncodedShape, openEncoder } from './encoding.js';
import type { FileEngines } from './file-engines.js';
import { FileError } from './file-error.js';
import { giveName } from './give-name.js';
import { framesWithin, Input, isTurned, nameOf, STDIN } from './input.js';
import type { FileJob, JobEvents } from './job.js';
import { muxOutput } from './mux.js';
import { keyOf, Parts } from './parts.js';
import { PictureReader } from './picture-reader.js';
import { runPipeline, type Sink } from './pipeline.js';
import { outputShape } from './shape.js';
import { SteadyNetwork } from './steady-network.js';
import { checkVideo, containerOf, NOTHING_ELSE, planStreams } from './streams.js';
import { PictureConverter, VideoWriter } from './video-writer.js';

/** Pictures that the network is shown before a segment's first one. */
export const WARM_UP = 12;
/** Containers that say how a picture is turned. */
const SAYS_TURNED = ['mp4', 'mov', 'ipod', '3gp', '3g2', 'psp', 'ismv'];

/** One run of a job: the network, and where its pictures go. */
export class Run {
  readonly damage: Damage = noDamage();
  size = { width: 0, height: 0 };
  /** When the network was ready, on the process's clock. */
  readyMs = 0;
  readonly #network: SteadyNetwork;
  readonly #converter: PictureConverter;
  readonly #reader: PictureReader;

  constructor(
    readonly av: NodeAv,
    readonly job: FileJob,
    readonly events: JobEvents,
    readonly signal: AbortSignal,
    engines: FileEngines,
  ) {
    this.#converter = new PictureConverter(av);
    this.#reader = new PictureReader(av, (sentence) => events.notice(sentence));
    this.#network = new SteadyNetwork({
      backends: engines.backends,
      settings: job.settings,
      warmUp: WARM_UP,
      signal,
      giveUp: () => engines.giveUp(),
      fallback: (from, to, reason) => events.notice(`${from} is given up for ${to}: ${reason}`),
    });
  }

  get backend(): string {
    return this.#network.description;
  }

  get model(): string {
    return this.#network.model;
  }

  /** Pictures as they are, to standard output or a file that gets its name when it is whole. */
  async raw(input: Input): Promise<number> {
    const { output, overwrite } = this.job;
    const { avgFrameRate: mean, rFrameRate: base } = input.video;
    if (Math.abs((mean.num * base.den) / (mean.den * base.num) - 1) > 0.01) {
      this.events.notice('The frames do not come evenly, and y4m cannot say so: their times are lost.');
    }
    const part = output === '-' ? undefined : `${output}.${randomBytes(4).toString('hex')}.part`;
    let writer: VideoWriter | undefined;
    let frames = 0;
    const sink: Sink = {
      write: async (picture) => {
        writer ??= await VideoWriter.open(this.av, this.#converter, {
          url: part === undefined ? 'pipe:1' : `file:${part}`,
          format: 'yuv4mpegpipe',
          shape: constantRate(outputShape(input, this.size)),
          encoding: null,
          startPts: null,
        });
        await writer.write(picture);
        this.#progress(input, ++frames, 0);
      },
      cut: async () => {
        await writer?.finish();
        writer = undefined;
      },
      abandon: async () => {
        await writer?.abandon();
        writer = undefined;
        if (part) rmSync(part, { force: true });
      },
    };
    try {
      await this.#untilRight(input, async (source) => {
        frames = 0;
        await this.#pipeline(source, sink, 0, Number.POSITIVE_INFINITY);
      });
      if (frames === 0) throw nothing(this.job);
      if (part) giveName(part, output, overwrite);
    } finally {
      if (part) rmSync(part, { force: true });
    }
    return frames;
  }

  /** Video that is encoded, in segments that outlive the process, and then put together with all else. */
  async segments(input: Input): Promise<number> {
    const { job, av, events } = this;
    const { output, resume, overwrite, span } = job;
    const container = containerOf(av, output);
    const once = job.input === STDIN;
    const plan = once ? NOTHING_ELSE : await planStreams(input, container, basename(output));
    if (once && input.context.nbStreams > 1) {
      events.notice('Only the video is kept: standard input cannot be read a second time for everything else.');
    }
    const trial = openEncoder(av, outputShape(input, this.size), job.encoding);
    try {
      await checkVideo(av, container, basename(output), job.encoding.codec, (to) => to.fromContext(trial));
    } finally {
      trial.freeContext();
    }
    for (const sentence of plan.left) events.notice(sentence);
    if (isTurned(input) && !SAYS_TURNED.includes(container)) {
      events.notice(`The video is shown turned, and ${basename(output)} cannot say so: choose .mp4 or .mov.`);
    }
    const { settings, encoding, segmentFrames } = job;
    const parts = Parts.open(
      output,
      keyOf({ identity: input.identity, settings, encoding, span, segmentFrames, container }),
      {
        resume,
        overwrite,
      },
    );
    try {
      if (!parts.state.complete) await this.#fill(input, parts);
      const again = once ? input : await this.#reopen(input);
      const path = parts.path(`output${extname(output)}`);
      try {
        await muxOutput(again, { parts, plan, container, path, span, signal: this.signal });
        const lost =
          !once && (await hasChapters(again)) ? await copyChapters(path, job.input, span, this.signal) : undefined;
        if (this.signal.aborted) throw new FileError('interrupted', 'Ended before the file was done.');
        if (lost) events.notice(lost);
      } finally {
        if (again !== input) await again.close();
      }
      giveName(path, output, overwrite);
    } catch (thrown) {
      parts.leave();
      if (parts.segments.length === 0) parts.remove();
      else if (thrown instanceof FileError && thrown.code === 'interrupted') {
        const how = 'the same command with --resume goes on from there; or delete that folder.';
        throw new FileError('interrupted', `Stopped. ${parts.frames} frames are kept in ${parts.folder}: ${how}`);
      }
      throw thrown;
    }
    const { frames } = parts;
    parts.remove();
    return frames;
  }

  /** Makes the segments that are not there yet. */
  async #fill(input: Input, parts: Parts): Promise<void> {
    const kept = parts.frames;
    await this.#untilRight(input, (source) =>
      this.#pipeline(source, this.#segmentSink(source, parts, kept), parts.frames, this.job.segmentFrames),
    );
    if (parts.frames === 0) throw nothing(this.job);
    parts.complete();
  }

  /** Does the work again, from the input's start, by the next backend where one turns out to have computed wrongly. */
  async #untilRight(input: Input, work: (source: Input) => Promise<void>): Promise<void> {
    for (let source = input; ; ) {
      try {
        await work(source);
        return;
      } catch (thrown) {
        if (!(thrown instanceof UpscaleError && thrown.code === 'backend-wrong')) throw thrown;
        if (this.job.input === STDIN || this.job.output === '-') {
          const why = 'The pictures since its last right answer cannot be made again through a pipe.';
          throw new UpscaleError('backend-wrong', `${reasonOf(thrown)} ${why}`, { cause: thrown });
        }
        await this.#network.refuse(reasonOf(thrown));
        Object.assign(this.damage, noDamage());
      } finally {
        if (source !== input) await source.close();
      }
      source = await this.#reopen(input);
    }
  }

  /** The input once more, from its start. @throws FileError where it is another one by now */
  async #reopen({ path, identity }: Input): Promise<Input> {
    const again = await Input.open(this.av, path);
    if (again.identity?.bytes === identity?.bytes && again.identity?.modifiedMs === identity?.modifiedMs) return again;
    await again.close();
    throw new FileError('unreadable', `${path} was changed while it was upscaled: begin anew by --overwrite.`);
  }

  #segmentSink(input: Input, parts: Parts, kept: number): Sink {
    let writer: VideoWriter | undefined;
    let startPts = 0n;
    return {
      write: async (picture) => {
        if (!writer) {
          startPts = picture.source.pts;
          writer = await VideoWriter.open(this.av, this.#converter, {
            url: `file:${parts.path(parts.nextFile)}`,
            format: 'mp4',
            shape: outputShape(input, this.size),
            encoding: this.job.encoding,
            startPts,
          });
        }
        await writer.write(picture);
        this.#progress(input, parts.frames + writer.frames, kept);
      },
      cut: async () => {
        if (!writer) return;
        await writer.finish();
        parts.add({ file: parts.nextFile, frames: writer.frames, startPts: String(startPts) });
        writer = undefined;
      },
      abandon: async () => {
        await writer?.abandon();
        if (writer) rmSync(parts.path(parts.nextFile), { force: true });
        writer = undefined;
      },
    };
  }

  async #pipeline(input: Input, sink: Sink, skip: number, segmentFrames: number): Promise<void> {
    await this.#network.start();
    this.readyMs ||= performance.now();
    const { job, signal, damage } = this;
    await runPipeline({
      input,
      sink,
      skip,
      segmentFrames,
      signal,
      damage,
      reader: this.#reader,
      network: this.#network,
      decoding: { threads: job.settings.threads, maxPixels: job.maxPixels },
      span: job.span,
    });
  }

  #progress(input: Input, frames: number, kept: number): void {
    const total = framesWithin(input, this.job.span);
    this.events.progress({
      frames,
      total: total === undefined ? undefined : Math.max(total, frames),
      kept,
      backend: this.backend,
    });
  }

  dispose(): void {
    this.#network.dispose();
    this.#reader.dispose();
    this.#converter.dispose();
  }
}

/** Pictures that stand for themselves have no times but their number. */
function constantRate(shape: EncodedShape): EncodedShape {
  const { num, den } = shape.frameRate;
  return { ...shape, timeBase: { num: den, den: num } };
}

function nothing({ input, span: { fromUs, toUs } }: FileJob): FileError {
  const where = fromUs === undefined && toUs === undefined ? 'that can be decoded' : 'between --from and --to';
  return new FileError('unreadable', `${nameOf(input)} holds no picture ${where}.`);
}
