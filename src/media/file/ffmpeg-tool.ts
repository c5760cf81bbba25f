import { FFmpeg } from '@ffmpeg/ffmpeg';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { FileAssets } from './protocol.js';

/** Where the source is seen by ffmpeg. Its own name may be anything, so it is not used. */
export const SOURCE_PATH = '/source/file';
/** Lines of a run's log that are kept; those of `wanted` come on top. */
const KEPT_LINES = 20;

/** A run's outcome. */
export interface FfmpegRun {
  readonly ok: boolean;
  /** The lines that were asked for. */
  readonly lines: readonly string[];
  /** The last complaint, for a person. */
  readonly complaint: string;
}

/** ffmpeg.wasm with one source mounted, which it reads as it needs it. Runs are made one after another. */
export class FfmpegTool {
  #last: Promise<unknown> = Promise.resolve();

  private constructor(readonly ffmpeg: FFmpeg) {}

  /** @throws UpscaleError `file-unsupported` where the core cannot be had */
  static async load(assets: FileAssets, source: Blob, signal: AbortSignal): Promise<FfmpegTool> {
    const { ffmpegCore, ffmpegWorker } = assets;
    if (!ffmpegCore) throw new Error('No address of ffmpeg-core is known.');
    const ffmpeg = new FFmpeg();
    const leave = (): void => ffmpeg.terminate();
    signal.addEventListener('abort', leave, { once: true });
    try {
      await ffmpeg.load({ coreURL: ffmpegCore.js, wasmURL: ffmpegCore.wasm, classWorkerURL: ffmpegWorker });
      await ffmpeg.createDir('/source');
      await ffmpeg.mount(
        'WORKERFS' as Parameters<FFmpeg['mount']>[0],
        { blobs: [{ name: 'file', data: source }] },
        '/source',
      );
    } catch (cause) {
      ffmpeg.terminate();
      signal.throwIfAborted();
      const why = `ffmpeg.wasm, which this file needs, could not be loaded from ${ffmpegCore.js} (${reasonOf(cause)})`;
      throw new UpscaleError('file-unsupported', `${why}: see options.assets.ffmpegCore.`, {
        cause,
        recoverable: false,
      });
    }
    return new FfmpegTool(ffmpeg);
  }

  /** Runs ffmpeg. @param wanted which lines of its log are answered */
  run(args: readonly string[], wanted?: RegExp): Promise<FfmpegRun> {
    return this.#alone(async () => {
      const lines: string[] = [];
      const tail: string[] = [];
      const listen = ({ message }: { message: string }): void => {
        if (wanted?.test(message)) lines.push(message);
        else if (tail.push(message) > KEPT_LINES) tail.shift();
      };
      this.ffmpeg.on('log', listen);
      try {
        const code = await this.ffmpeg.exec(['-hide_banner', '-nostats', ...args]);
        const complaint = tail.findLast((line) => /error|invalid|not |fail/i.test(line)) ?? tail.at(-1) ?? '';
        return { ok: code === 0, lines, complaint: complaint.replace(/^\[[^\]]*\]\s*/, '') };
      } finally {
        this.ffmpeg.off('log', listen);
      }
    });
  }

  /** What ffprobe says of the source, as JSON. */
  probe(): Promise<unknown> {
    return this.#alone(async () => {
      const show = ['-show_format', '-show_streams', '-show_chapters', '-print_format', 'json'];
      await this.ffmpeg.ffprobe(['-v', 'error', ...show, SOURCE_PATH, '-o', '/probe.json']);
      return JSON.parse(new TextDecoder().decode(await this.#take('/probe.json'))) as unknown;
    });
  }

  /** An output's bytes. It is removed; an output that was not made is empty. */
  take(path: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#alone(() => this.#take(path).catch(() => new Uint8Array(0)));
  }

  dispose(): void {
    this.ffmpeg.terminate();
  }

  async #take(path: string): Promise<Uint8Array<ArrayBuffer>> {
    const data = await this.ffmpeg.readFile(path);
    await this.ffmpeg.deleteFile(path);
    return typeof data === 'string' ? new TextEncoder().encode(data) : (data as Uint8Array<ArrayBuffer>);
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next.catch(() => undefined);
    return next;
  }
}
