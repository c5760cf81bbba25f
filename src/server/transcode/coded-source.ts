import type { Source, SourceListener } from '../../live/io-host.js';
import { memoryFrame } from '../../node/memory-frame.js';
import { realClock } from '../../pipeline/clock.js';
import type { CodecBackend, CodedPicture, VideoDecoder } from '../codecs/codec.js';
import type { CodedAsk, CodedPlatform } from './coded-platform.js';

/** Decodes pictures, one after another, and begins again at the next keyframe after one that it cannot. */
export class CodedSource implements Source<CodedAsk> {
  #decoder: VideoDecoder | undefined;
  #last: Promise<void> = Promise.resolve();
  #broken = true;
  #stopped = false;

  constructor(
    readonly codecs: CodecBackend,
    readonly codec: CodedPlatform['source']['codec'],
    readonly on: SourceListener<CodedPlatform>,
  ) {}

  ask(ask: CodedAsk): void {
    if (ask.type !== 'picture') return;
    const { picture, arrivedMs } = ask;
    this.#last = this.#last.then(() => this.#decode(picture, arrivedMs - performance.timeOrigin));
  }

  stop(): void {
    this.#stopped = true;
    this.#last = this.#last.then(() => this.#decoder?.dispose());
  }

  /** Never rejects. */
  async #decode(picture: CodedPicture, arrivedMs: number): Promise<void> {
    if (this.#stopped) return;
    try {
      if (this.#broken && !picture.key) return;
      this.#decoder ??= await this.codecs.createDecoder(this.codec);
      const frames = await this.#decoder.decode(picture);
      this.#broken = false;
      for (const frame of frames) this.on.frame(memoryFrame(frame), Math.min(arrivedMs, realClock.now()));
    } catch {
      this.#broken = true;
      this.on.tell({ type: 'keyframe-wanted' });
    } finally {
      this.on.tell({ type: 'taken' });
    }
  }
}
